"""The span as the pipeline keeps it: Zipkin's v2 model, normalised."""

from typing import Annotated, Final, Literal

import msgspec

Kind = Literal["CLIENT", "SERVER", "PRODUCER", "CONSUMER"]
Int64 = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Port = Annotated[int, msgspec.Meta(le=65_535)]

# gc=False throughout: these hold strings, integers and each other as a tree; a cycle cannot form,
# and half a million of them would make every full collection a pause of the ingest.


class SpanError(ValueError):
    """The text a sender gets back with a 400."""


class V2Endpoint(msgspec.Struct, rename="camel", omit_defaults=True, gc=False, frozen=True):
    """A place in the network; members that are not known are None."""

    service_name: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    port: Port | None = None


class V2Annotation(msgspec.Struct, gc=False, frozen=True, order=True):
    """Something that happened at a time (microseconds since 1970)."""

    timestamp: Int64
    value: str


class V2Span(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """One reported part of a span. Field order is the order of Zipkin's output.

    Shape: normalised spans (normalise.normalised) have ids of 16 or 32 digits, lower-case names,
    sorted annotations and tags, and None for whatever is empty, zero or false. A span fresh from
    the strict JSON decoder need not be normalised yet, but always can be.
    Units: timestamp and duration are microseconds.
    """

    trace_id: str
    parent_id: str | None = None
    id: str = ""
    kind: Kind | None = None
    name: str | None = None
    timestamp: Int64 | None = None
    duration: Int64 | None = None
    local_endpoint: V2Endpoint | None = None
    remote_endpoint: V2Endpoint | None = None
    annotations: list[V2Annotation] | None = None
    tags: dict[str, str] | None = None
    debug: bool | None = None
    shared: bool | None = None

    @property
    def service(self) -> str | None:
        """The local service's name."""
        return None if self.local_endpoint is None else self.local_endpoint.service_name

    @property
    def remote_service(self) -> str | None:
        """The remote service's name."""
        return None if self.remote_endpoint is None else self.remote_endpoint.service_name

    @property
    def failed(self) -> bool:
        """Whether it has the tag `error`."""
        return "error" in (self.tags or ())


_encoder: Final = msgspec.json.Encoder()
decode_strict: Final = msgspec.json.Decoder(list[V2Span]).decode


def to_json(value: object) -> bytes:
    """Compact JSON, with U+2028 and U+2029 escaped as the real server escapes them."""
    raw = _encoder.encode(value)
    if b"\xe2\x80" in raw:
        raw = raw.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return raw


def low_half(trace_id: str) -> int:
    """The low 64 bits of a trace id as SQLite's and Java's signed number."""
    low = int(trace_id[-16:], 16)
    return low - (1 << 64) if low >= 1 << 63 else low
