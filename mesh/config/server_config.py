"""What an operator writes of a listener."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from config import Model, Refused
from mesh.config.bounds_config import CamelBounds
from mesh.config.config_types import Millis, Port
from mesh.config.tls_config import ServerTlsConfig

# Linkerd's, of protocol http.
DEFAULT_PORT: Final = 4140


class Labeler(Model):
    """How one end is called in a Forwarded line."""

    kind: Literal["ip", "ip:port", "requestRandom", "router", "static"]
    label: str | None = None
    """Of `static`."""

    @model_validator(mode="after")
    def _label_of_static(self) -> Labeler:
        if (self.kind == "static") is (self.label is None):
            raise Refused("`label` goes with the kind static, and only with it")
        return self


class AddForwardedHeader(Model):
    """A Forwarded line for every request."""

    by: Labeler = Labeler(kind="requestRandom")
    for_: Annotated[Labeler, Field(alias="for")] = Labeler(kind="requestRandom")


class ServerConfig(Model):
    """One listener."""

    port: Port = DEFAULT_PORT
    ip: str = "127.0.0.1"
    tls: ServerTlsConfig | None = None
    timeoutMs: Millis | None = None
    """For a whole request."""
    links: bool = False
    """weir's own: whether other weirs may carry their requests on one connection (docs/link.md)."""
    bounds: CamelBounds = CamelBounds()
    """weir's own: of connections (docs/bounds.md)."""
    maxConcurrentRequests: Annotated[int, Field(ge=1)] | None = None
    maxCallDepth: Annotated[int, Field(ge=1)] = 1_000
    """Entries of Via; more of them look like a loop."""
    clearContext: bool = False
    """Whether callers are strangers: what they say in l5d headers ends here, and they are told
    nothing of the mesh."""
    addForwardedHeader: AddForwardedHeader | None = None
    timestampHeader: str | None = None
    """A header that tells when a request came, in milliseconds since 1970."""
