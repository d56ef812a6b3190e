"""Linkerd's `tls` blocks, of a server and of a client."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from config import Model, Refused

Version = Literal["TLSv1.2", "TLSv1.3"]
Versions = Annotated[tuple[Version, ...], Field(min_length=1)]


class ServerTlsConfig(Model):
    """What a server shows, and asks of its clients."""

    certPath: FilePath
    keyPath: FilePath
    intermediateCertsPath: FilePath | None = None
    caCertPath: FilePath | None = None
    """Vouches for clients; without requireClientAuth it has no effect."""
    requireClientAuth: bool = False
    ciphers: tuple[str, ...] = ()
    protocols: Versions = ("TLSv1.2", "TLSv1.3")


class ClientAuthConfig(Model):
    """The certificate that is shown to endpoints."""

    certPath: FilePath
    keyPath: FilePath
    intermediateCertsPath: FilePath | None = None


class ClientTlsConfig(Model):
    """How endpoints are dialled."""

    enabled: bool = True
    disableValidation: bool = False
    commonName: str | None = None
    """Asked for and verified; `{name}` stands for what the prefix captured."""
    trustCerts: tuple[FilePath, ...] | None = None
    trustCertsBundle: FilePath | None = None
    clientAuth: ClientAuthConfig | None = None
    protocols: Versions = ("TLSv1.2", "TLSv1.3")

    @model_validator(mode="after")
    def _one_of_both(self) -> ClientTlsConfig:
        if self.disableValidation and self.clientAuth is not None:
            raise Refused("disableValidation and clientAuth exclude each other", at=("clientAuth",))
        return self
