"""Certificates made on the spot: an authority, and whom it vouches for."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.certificates import CertificateFiles

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
FAR_AWAY = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


class Authority:
    """A certificate authority with a folder of its own."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.file = self.folder / "ca.pem"
        certificate = self._builder(name, self._key, FAR_AWAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        signed = certificate.sign(self._key, hashes.SHA256())
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, common: str, key: ec.EllipticCurvePrivateKey, until: dt.datetime
    ) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=_name(common),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=LONG_AGO,
            not_valid_after=until,
        )

    def issue(
        self,
        name: str,
        *more: str,
        file: str | None = None,
        until: dt.datetime = FAR_AWAY,
        alternative: bool = True,
    ) -> CertificateFiles:
        """A certificate for host names, addresses and URIs; the first is its common name too."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name, key, until)
        if alternative:
            names = [_general(one) for one in (name, *more)]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        files = CertificateFiles(
            chain=self.folder / f"{file or name}.pem", key=self.folder / f"{file or name}.key"
        )
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        files.chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return files


def _general(text: str) -> x509.GeneralName:
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
