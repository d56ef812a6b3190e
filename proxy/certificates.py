"""Certificate files: read whole or not at all, looked at again when they change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from cryptography import x509

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from pathlib import Path

    from proxy.tasks import Tasks

# Looked at by their status, not by file events: a secret in Kubernetes is changed by swapping a
# symbolic link two folders up, and a status costs microseconds.
WATCH_PERIOD_S: Final = 1.0

_log = logging.getLogger("weir.tls")

Signature = tuple[tuple[str, int, int, int], ...]


class TlsError(Exception):
    """Certificates that cannot be used; `str()` names the file and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """A certificate with its key, as PEM files.

    Shape: `chain` holds the certificate, then those between it and its root; these may also stand
    in `intermediates`.
    """

    chain: Path
    key: Path
    intermediates: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that is read."""
        more = () if self.intermediates is None else (self.intermediates,)
        return (self.chain, self.key, *more)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Make the context show this certificate. Raises: TlsError."""
        with contextlib.ExitStack() as stack:
            chain = str(self.chain)
            try:
                if self.intermediates is not None:
                    # Python's ssl reads one file only. What is written holds nothing secret.
                    joined = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".pem"))
                    joined.write(self.chain.read_bytes() + b"\n" + self.intermediates.read_bytes())
                    joined.flush()
                    chain = joined.name
                # A password would be asked for on the terminal; there is nobody to answer.
                context.load_cert_chain(chain, str(self.key), password=lambda: b"")
            except (OSError, ValueError) as error:
                raise TlsError(f"{self.chain} with {self.key}: {_reason(error)}") from None

    def names(self) -> tuple[str, ...]:
        """The host names it is for, lower case: alternative names, else its common name.

        Raises: TlsError.
        """
        certificate = self._certificate()
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            return tuple(str(one.value).lower() for one in common)
        return tuple(name.lower() for name in found.value.get_values_for_type(x509.DNSName))

    def expires_s(self) -> float:
        """When it is over: seconds since 1970. Raises: TlsError."""
        return self._certificate().not_valid_after_utc.timestamp()

    def _certificate(self) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(self.chain.read_bytes())
        except (OSError, ValueError) as error:
            raise TlsError(f"{self.chain}: {_reason(error)}") from None


def load_authorities(context: ssl.SSLContext, files: Sequence[Path]) -> None:
    """Trust these authorities beside those the context trusts already. Raises: TlsError."""
    for file in files:
        try:
            context.load_verify_locations(str(file))
        except (OSError, ValueError) as error:
            raise TlsError(f"{file}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    text = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(text).replace("_", " ").lower()


def signature(files: Sequence[Path]) -> Signature:
    """Changes when a file does; one that is not there counts as such."""
    found = []
    for file in files:
        try:
            status = file.stat()
            found.append((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            found.append((str(file), 0, 0, 0))
    return tuple(found)


class Reloadable(Protocol):
    """Something made from files, which can be made again."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""

    def reload(self) -> None:
        """Make it again; what is in use stays in use. Raises: TlsError, then nothing changed."""


class CertificateWatch:
    """Reloads what is made from certificate files once they change.

    Files that do not fit together yet (a key that is older than its certificate) are told once and
    tried again when one of them changes.
    """

    def __init__(self, parts: Sequence[Reloadable] = (), period_s: float = WATCH_PERIOD_S) -> None:
        self._parts: list[Reloadable] = []
        self._seen: list[Signature] = []
        self._period_s = period_s
        self.reloads = 0
        self.failures = 0
        for part in parts:
            self.add(part)

    def add(self, part: Reloadable) -> None:
        """Look after this too, from now on."""
        self._parts.append(part)
        self._seen.append(signature(part.paths))

    def drop(self, part: Reloadable) -> None:
        """Look after this no more."""
        index = self._parts.index(part)
        del self._parts[index], self._seen[index]

    def start(self, tasks: Tasks) -> None:
        """Look at the files every second."""
        tasks.start(self._run(), "certificates")

    def look(self, *, force: bool = False) -> list[str]:
        """Reload what changed, or everything; returns what could not be, a line each."""
        problems = []
        for index, part in enumerate(self._parts):
            now = signature(part.paths)
            if not force and now == self._seen[index]:
                continue
            self._seen[index] = now
            try:
                part.reload()
            except TlsError as error:
                self.failures += 1
                problems.append(str(error))
                _log.warning("certificates stay as they were: %s", error)
            else:
                self.reloads += 1
        return problems

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            self.look()
