"""What every program is given: a folder, an upstream, a CPU, and perhaps a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from proxy.certificates import CertificateFiles

HOST = "www.hello.world"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program runs. Shape: `tls` None for plain HTTP towards clients."""

    folder: Path
    upstream: int  # port
    cpu: int
    tls: CertificateFiles | None = None

    def name(self, program: str) -> str:
        """A name for files: a program may run plain and with TLS at once."""
        return f"{program}-tls" if self.tls else program

    def pem(self) -> Path:
        """Certificate and key in one file, as HAProxy wants them."""
        assert self.tls is not None
        file = self.folder / "both.pem"
        file.write_bytes(self.tls.chain.read_bytes() + self.tls.key.read_bytes())
        return file
