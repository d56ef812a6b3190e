"""TLS on both sides: contexts with modern bounds, made again when their files change.

A change reaches the next handshake; connections that are open keep what they have agreed on.
"""

from __future__ import annotations

import enum
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from proxy.certificates import CertificateFiles, TlsError, load_authorities

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Of TLS 1.2; 1.3 knows no bad ones. Forward secrecy and authenticated encryption, nothing else:
# Mozilla's "intermediate" list without its DHE suites, which cost a server ten times as much.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_COMMON_OPTIONS: Final = ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


class ClientCertificates(enum.Enum):
    """Whether clients show a certificate."""

    OFF = ssl.CERT_NONE
    WANTED = ssl.CERT_OPTIONAL
    REQUIRED = ssl.CERT_REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTlsSettings:
    """What a listener shows.

    Shape: the first certificate is for clients that ask for no name, or for one that no
    certificate has. `authorities` vouch for clients; none: the system's.
    """

    certificates: tuple[CertificateFiles, ...]
    clients: ClientCertificates = ClientCertificates.OFF
    authorities: tuple[Path, ...] = ()
    alpn: tuple[str, ...] = ("http/1.1",)  # none: no answer to the client's list
    versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: str = CIPHERS  # OpenSSL's list, of TLS 1.2


class ServerTls:
    """A listener's certificates. Raises: TlsError, when they cannot be used."""

    def __init__(self, settings: ServerTlsSettings) -> None:
        self._settings = settings
        self.context = self._make()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that is read."""
        certificates = self._settings.certificates
        return sum((one.paths for one in certificates), ()) + self._settings.authorities

    def reload(self) -> None:
        """Read the files again; the next handshake uses them.

        Keys of session tickets are new too, so that nobody resumes a session whose client
        certificate is not trusted any more.
        Raises: TlsError, and everything stays as it was.
        """
        self.context = self._make()

    def expires_s(self) -> float:
        """When the first of the certificates is over: seconds since 1970. Raises: TlsError."""
        return min(one.expires_s() for one in self._settings.certificates)

    def _make(self) -> ssl.SSLContext:
        certificates = self._settings.certificates
        if not certificates:
            raise TlsError("a TLS listener needs a certificate")
        contexts = [self._context(one) for one in certificates]
        front = contexts[0]
        if len(contexts) > 1:
            table: dict[str, ssl.SSLContext] = {}
            for files, context in zip(certificates, contexts, strict=True):
                for name in files.names():
                    table.setdefault(name, context)

            def choose(conn: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
                conn.context = by_name(table, name) or front

            front.sni_callback = choose
        return front

    def _context(self, files: CertificateFiles) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options |= _COMMON_OPTIONS | ssl.OP_CIPHER_SERVER_PREFERENCE
        _set_versions(context, settings.versions)
        _set_ciphers(context, settings.ciphers)
        if settings.alpn:
            context.set_alpn_protocols(list(settings.alpn))
        if settings.clients is not ClientCertificates.OFF:
            _trust(context, settings.authorities, ssl.Purpose.CLIENT_AUTH)
            context.verify_mode = settings.clients.value
        files.load_into(context)
        return context


def by_name(table: Mapping[str, ssl.SSLContext], name: str | None) -> ssl.SSLContext | None:
    """The entry for a server name: its own, else `*.` with the labels behind the first.

    Source: RFC 6125, 6.4.3: a wildcard stands for one whole label, the leftmost.
    """
    if not name:
        return None
    name = name.lower()
    return table.get(name) or table.get("*." + name.partition(".")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTlsSettings:
    """How endpoints are asked who they are.

    Shape: `authorities` vouch for endpoints; none: the system's. `certificate` is shown to
    endpoints that ask for one.
    """

    verify: bool = True
    authorities: tuple[Path, ...] = ()
    certificate: CertificateFiles | None = None
    versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")


class ClientTls:
    """TLS towards endpoints, shared by every pool with these settings. Raises: TlsError."""

    def __init__(self, settings: ClientTlsSettings) -> None:
        self._settings = settings
        self.context = self._make()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that is read."""
        own = self._settings.certificate
        return self._settings.authorities + (() if own is None else own.paths)

    def reload(self) -> None:
        """Read the files again; the next connection uses them. Raises: TlsError."""
        self.context = self._make()

    def _make(self) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.options |= _COMMON_OPTIONS
        _set_versions(context, settings.versions)
        if settings.verify:
            _trust(context, settings.authorities, ssl.Purpose.SERVER_AUTH)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if settings.certificate is not None:
            settings.certificate.load_into(context)
        return context


class Dialing(NamedTuple):
    """TLS of one pool. name: asked for (SNI) and verified; None only without verification."""

    tls: ClientTls
    name: str | None


def _trust(context: ssl.SSLContext, authorities: tuple[Path, ...], purpose: ssl.Purpose) -> None:
    if authorities:
        load_authorities(context, authorities)
    else:
        context.load_default_certs(purpose)


def _set_versions(context: ssl.SSLContext, versions: tuple[str, ...]) -> None:
    try:
        known = sorted(VERSIONS[one] for one in versions)
        context.minimum_version, context.maximum_version = known[0], known[-1]
    except (KeyError, IndexError):
        raise TlsError(f"TLS versions are {' and '.join(VERSIONS)}") from None


def _set_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise TlsError(f"no cipher of OpenSSL's matches {ciphers}") from None


class Identity(NamedTuple):
    """Who a client's certificate says he is; verified, or there is none.

    Shape: subject as in RFC 4514; sha256 is the certificate's fingerprint, upper-case hex.
    """

    subject: str
    dns: tuple[str, ...]
    uris: tuple[str, ...]
    sha256: str


class TlsSession:
    """What TLS says of a client's connection. Nothing is read before somebody asks."""

    __slots__ = ("_identity", "_read", "_ssl")

    def __init__(self, ssl_object: ssl.SSLObject) -> None:
        self._ssl = ssl_object
        self._identity: Identity | None = None
        self._read = False

    @property
    def version(self) -> str:
        """`TLSv1.3`."""
        return self._ssl.version() or ""

    @property
    def identity(self) -> Identity | None:
        """The client's certificate, if he showed one that we trust."""
        if not self._read:
            self._read = True
            raw = self._ssl.getpeercert(binary_form=True)
            # Without verification Python gives what was shown; nobody vouches for that.
            if raw is not None and self._ssl.context.verify_mode is not ssl.CERT_NONE:
                self._identity = read_identity(raw)
        return self._identity


def read_identity(der: bytes) -> Identity:
    """The identity in a certificate (DER)."""
    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        dns, uris = [], []
    else:
        dns = names.get_values_for_type(x509.DNSName)
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    digest = certificate.fingerprint(hashes.SHA256()).hex().upper()
    return Identity(certificate.subject.rfc4514_string(), tuple(dns), tuple(uris), digest)
