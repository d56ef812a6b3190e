"""What Linkerd's YAML says of spans: where they go, and the headers a trace goes on by."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from config import Model
from mesh.config.config_types import Destination, Rate
from tracing.propagation import FORMATS, Format


class Tracing(Model):
    """Spans to a collector: Zipkin v2 over HTTP, or what the URL's scheme says."""

    kind: Literal["io.weir.zipkin"]
    url: Destination = "http://127.0.0.1:9411"
    """http://host:9411, scribe://host:9410, otlp+http://host:4318 or otel:NAME."""
    sampleRate: Rate = 0.001

    @property
    def destination(self) -> str:
        """Where spans go."""
        return self.url


class LinkerdZipkin(Model):
    """Spans to an old Zipkin's scribe port, as Linkerd 1.x sends them."""

    kind: Literal["io.l5d.zipkin"]
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$")] = "localhost"
    port: Annotated[int, Field(ge=1, le=65_535)] = 9410
    sampleRate: Rate = 0.001

    @property
    def destination(self) -> str:
        """Where spans go."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"scribe://{host}:{self.port}"


class LinkerdPropagator(Model):
    """l5d-ctx-trace and l5d-reqid."""

    kind: Literal["io.l5d.default"]


class ZipkinPropagator(Model):
    """X-B3-* instead of Linkerd's own."""

    kind: Literal["io.l5d.zipkin"]


class ChosenPropagator(Model):
    """weir's own: formats by name."""

    kind: Literal["io.weir.formats"]
    read: Annotated[tuple[Format, ...], Field(min_length=1)] = FORMATS
    """The first of these that names a span counts."""
    write: Annotated[tuple[Format, ...], Field(min_length=1)] = ("l5d", "w3c")
    """All of these go on, with this router's span as the parent."""


Propagator = Annotated[
    LinkerdPropagator | ZipkinPropagator | ChosenPropagator, Field(discriminator="kind")
]
