"""Clients that are known by the certificate they show. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.tls import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateMatch:
    """What a client's certificate must say.

    Shape: everything that is set must hold. `dns` is a name or `*.suffix` (any number of labels
    below it), `uri` the whole of it or its beginning with `/*`, `subject` as in RFC 4514, `sha256`
    the certificate's fingerprint.
    """

    dns: str = ""
    uri: str = ""
    subject: str = ""
    sha256: str = ""

    def fits(self, identity: Identity) -> bool:
        """Whether this certificate does; that somebody vouches for it has been seen to."""
        return (
            (not self.dns or any(_dns_fits(self.dns, name) for name in identity.dns))
            and (not self.uri or any(_uri_fits(self.uri, one) for one in identity.uris))
            and (not self.subject or self.subject == identity.subject)
            and (not self.sha256 or self.sha256 == identity.sha256)
        )

    def __str__(self) -> str:
        said = {"DNS": self.dns, "URI": self.uri, "subject": self.subject, "SHA-256": self.sha256}
        return ", ".join(f"{name} {value}" for name, value in said.items() if value)


def _dns_fits(wanted: str, name: str) -> bool:
    name, wanted = name.lower(), wanted.lower()
    # A certificate for `*.a.example` is no certificate for the staff below it: it must be named.
    if wanted.startswith("*."):
        return name.endswith(wanted[1:]) and not name.startswith("*")
    return name == wanted


def _uri_fits(wanted: str, uri: str) -> bool:
    return uri.startswith(wanted[:-1]) if wanted.endswith("/*") else uri == wanted
