"""A host rule and its path rules, as written in `edge.yml`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config import Model, Refused
from dtab import Dtab
from edge.settings.field_types import (
    Address,
    HeaderName,
    HeaderValue,
    HostPattern,
    PathPrefix,
)
from mesh.config.config_types import DtabText, PathText, Rate


class EditsConfig(Model):
    """Header lines that a rule changes. `set` replaces every line of that name."""

    set: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    remove: tuple[HeaderName, ...] = ()


class HeadersConfig(Model):
    """Edits on the way in and on the way out."""

    request: EditsConfig = EditsConfig()
    response: EditsConfig = EditsConfig()


class RedirectConfig(Model):
    """Sends the client elsewhere; what is not named stays as it was asked."""

    status: Literal[301, 302, 307, 308] = 308
    scheme: Literal["http", "https"] | None = None
    host: HostPattern | None = None
    path: Annotated[str, Field(pattern=r"^/[!-~]*$")] | None = None

    @model_validator(mode="after")
    def _elsewhere(self) -> Self:
        if self.scheme is None and self.host is None and self.path is None:
            raise Refused("it leads where it came from", hint="name a scheme, a host or a path")
        if self.host is not None and "*" in self.host:
            raise Refused("a redirect leads to one host", at=("host",))
        return self


class WayConfig(Model):
    """What happens to requests: of a host, or below a path of it."""

    service: PathText | None = None
    """The service name that dtabs map; by default /svc/<host>."""
    forward: Address | None = None
    """One address that gets everything, HOST:PORT: a Linkerd, say. No dtab steers it."""
    dtab: DtabText = Dtab()
    """Behind the common dtab, for these requests."""
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    """For the whole request, retries included; then 503."""
    sample_rate: Rate | None = None
    """In place of tracing.sample_rate."""
    headers: HeadersConfig = HeadersConfig()
    server_timing: bool = False
    """Whether outsiders' answers keep Server-Timing and traceresponse."""
    redirect: RedirectConfig | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.service, self.forward, self.redirect]
        if sum(way is not None for way in ways) > 1:
            raise Refused("only one of service, forward and redirect")
        if self.forward is not None and len(self.dtab):
            raise Refused(
                "forward sends everything to one address, so no dtab applies", at=("dtab",)
            )
        return self


class PathConfig(WayConfig):
    """Requests of a host whose path begins with a prefix, by whole segments."""

    prefix: PathPrefix


class HostConfig(WayConfig):
    """Requests of a host. A path rule starts from the defaults, not from its host's."""

    host: HostPattern
    paths: tuple[PathConfig, ...] = ()

    @model_validator(mode="after")
    def _paths_once(self) -> Self:
        seen: set[str] = set()
        for number, rule in enumerate(self.paths):
            if rule.prefix in seen:
                raise Refused(
                    f"the prefix {rule.prefix} stands here twice", at=("paths", number, "prefix")
                )
            seen.add(rule.prefix)
        return self
