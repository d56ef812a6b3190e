"""What an edge listener says before HTTP: its certificates, and whose PROXY headers it takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, assert_never

from pydantic import Field

from config import Model
from proxy.acceptor import Prelude
from proxy.certificates import CertificateFiles
from proxy.tls import ClientCertificates, ServerTls, ServerTlsSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.settings.field_types import Network


class CertificateConfig(Model):
    """A certificate and its key, PEM files; read again when they change."""

    cert: Path
    """The certificate, then those between it and its root."""
    key: Path


class TlsConfig(Model):
    """HTTPS. The certificate is chosen by the name that the client asks for."""

    certificates: Annotated[tuple[CertificateConfig, ...], Field(min_length=1, max_length=1_000)]
    """The first also serves clients that ask for no name, or for a foreign one."""
    client_certificates: Literal["off", "wanted", "required"] = "off"
    client_ca: Path | None = None
    """Vouches for clients; none: the system's authorities."""
    min_version: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"


def make_prelude(tls: TlsConfig | None, proxy_protocol: Sequence[Network]) -> Prelude:
    """What comes before HTTP. Raises: TlsError, naming a file."""
    return Prelude(tls=None if tls is None else make_tls(tls), proxy_peers=tuple(proxy_protocol))


def make_tls(config: TlsConfig) -> ServerTls:
    """The listener's TLS. Raises: TlsError, naming a file."""
    versions = ("TLSv1.2", "TLSv1.3") if config.min_version == "TLSv1.2" else ("TLSv1.3",)
    return ServerTls(
        ServerTlsSettings(
            certificates=tuple(
                CertificateFiles(chain=one.cert, key=one.key) for one in config.certificates
            ),
            clients=_clients(config.client_certificates),
            authorities=() if config.client_ca is None else (config.client_ca,),
            versions=versions,
        )
    )


def _clients(wish: Literal["off", "wanted", "required"]) -> ClientCertificates:
    match wish:
        case "off":
            return ClientCertificates.OFF
        case "wanted":
            return ClientCertificates.WANTED
        case "required":
            return ClientCertificates.REQUIRED
    assert_never(wish)
