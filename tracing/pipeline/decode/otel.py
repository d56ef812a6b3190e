"""OpenTelemetry's span, and its conversion to Zipkin's v2. Pure.

Source: OpenTelemetry specification, "OpenTelemetry to Zipkin Transformation"; where it leaves a
choice, the comments say what was chosen.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import field

from tracing.pipeline import normalise
from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.model import Kind, V2Annotation, V2Endpoint, V2Span

Value = str | bool | int | float | bytes | list["Value"] | dict[str, "Value"] | None

VALUE_DEPTH_MAX: Final = 32  # of lists and maps within each other; SDKs send one level
_KINDS: Final[dict[int, Kind]] = {2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
_CALLS: Final = frozenset({3, 4})
# Other sides that are remembered as they were read: some 2 MB at most.
_PEERS_MAX: Final = 4_096
_PEER_CHARS_MAX: Final = 256
_OK: Final = 1
_ERROR: Final = 2
_TRACE_DIGITS: Final = 32
_SPAN_DIGITS: Final = 16
_NO_TRACE: Final = "0" * _TRACE_DIGITS
_NO_SPAN: Final = "0" * _SPAN_DIGITS
_LINKS_MAX: Final = 32  # told in one tag, of some 50 characters each
# The resource convention's name for a service that nobody named.
_UNNAMED: Final = "unknown_service"

# Who the other side is, best first; today's names of the conventions and those they replaced.
_PEER_NAMES: Final = ("peer.service", "server.address", "net.peer.name", "messaging.destination")
_CALLEE_IPS: Final = ("network.peer.address", "net.sock.peer.addr", "net.peer.ip", "server.address")
_CALLEE_PORTS: Final = ("network.peer.port", "net.sock.peer.port", "server.port", "net.peer.port")
_CALLER_IPS: Final = ("network.peer.address", "net.sock.peer.addr", "net.peer.ip", "client.address")
_CALLER_PORTS: Final = ("network.peer.port", "net.sock.peer.port", "client.port", "net.peer.port")
_OF_PEERS: Final = frozenset(
    (*_PEER_NAMES, *_CALLEE_IPS, *_CALLEE_PORTS, *_CALLER_IPS, *_CALLER_PORTS)
)


class Event(msgspec.Struct, gc=False):
    """Units: time_ns is nanoseconds since 1970."""

    time_ns: int = 0
    name: str = ""
    attributes: dict[str, Value] = field(default_factory=dict)


# A struct is made in a third of the time that a dataclass takes.
class OtelSpan(msgspec.Struct, gc=False):
    """One span as OTLP tells it.

    Shape: ids are lower-case hex digits of any number; links are (trace id, span id).
    Units: *_ns are nanoseconds since 1970.
    """

    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    trace_state: str = ""
    name: str = ""
    kind: int = 0
    start_ns: int = 0
    end_ns: int = 0
    attributes: dict[str, Value] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    status: int = 0
    status_text: str = ""


@dataclass(slots=True)
class Scope:
    """The library that made some spans."""

    name: str = ""
    version: str = ""
    spans: list[OtelSpan] = field_of(default_factory=list)


@dataclass(slots=True)
class Resource:
    """The process that sent them."""

    attributes: dict[str, Value] = field_of(default_factory=dict)
    scopes: list[Scope] = field_of(default_factory=list)


def to_batch(resources: Sequence[Resource]) -> Batch:
    """All spans that can be kept; those whose ids are no ids are counted as rejected."""
    spans: list[V2Span] = []
    rejected = 0
    for resource in resources:
        common = {key: show(value) for key, value in resource.attributes.items()}
        service = common.pop("service.name", "") or _UNNAMED
        local = normalise.endpoint(service, None, None, None)
        for scope in resource.scopes:
            named = {"otel.scope.name": scope.name, "otel.scope.version": scope.version}
            shared = common | {key: text for key, text in named.items() if text}
            for span in scope.spans:
                if _has_ids(span):
                    spans.append(_convert(span, local, shared))
                else:
                    rejected += 1
    return batch_of(spans)._replace(rejected=rejected)


def show(value: Value) -> str:
    """An attribute's value as a tag's text: JSON for what is no string, base64 for bytes."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Value) -> object:
    if isinstance(value, bytes):
        return show(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


def _has_ids(span: OtelSpan) -> bool:
    return (
        len(span.trace_id) == _TRACE_DIGITS
        and span.trace_id != _NO_TRACE
        and len(span.span_id) == _SPAN_DIGITS
        and span.span_id != _NO_SPAN
        and (len(span.parent_id) == _SPAN_DIGITS or not span.parent_id.strip("0"))
    )


def _convert(span: OtelSpan, local: V2Endpoint | None, shared: Mapping[str, str]) -> V2Span:
    """Shape: the span may be normalised, and its ids are, as the fast reader leaves them."""
    elapsed_ns = span.end_ns - span.start_ns
    trace_id, own, parent = span.trace_id, span.span_id, span.parent_id
    tags = {**shared, **_tags(span)}
    return V2Span(
        trace_id[_SPAN_DIGITS:] if trace_id.startswith(_NO_SPAN) else trace_id,
        parent if parent != own and parent.strip("0") else None,
        own,
        _KINDS.get(span.kind),
        span.name.lower() or None,
        span.start_ns // 1000 or None,
        # A span that took less than Zipkin can tell still has an end.
        max(elapsed_ns // 1000, 1) if span.start_ns and elapsed_ns > 0 else None,
        local,
        _remote(span),
        [V2Annotation(e.time_ns // 1000, _note(e)) for e in span.events] or None,
        tags or None,
    )


def _note(event: Event) -> str:
    """The event's name; with attributes both, in the form that the specification shows."""
    if not event.attributes:
        return event.name
    told = json.dumps(_plain(event.attributes), ensure_ascii=False, separators=(",", ":"))
    return f"{json.dumps(event.name, ensure_ascii=False)}:{told}"


def _tags(span: OtelSpan) -> dict[str, str]:
    tags = {
        key: value if type(value) is str else show(value)
        for key, value in span.attributes.items()
        if key
    }
    if span.status == _ERROR:
        tags["error"] = span.status_text or tags.get("error.type", "")
        tags["otel.status_code"] = "ERROR"
    else:
        # Zipkin takes any tag of this name for a failure, whatever it says.
        if tags.get("error") == "false":
            del tags["error"]
        if span.status == _OK:
            tags["otel.status_code"] = "OK"
    if span.trace_state:
        tags["w3c.tracestate"] = span.trace_state
    if span.links:
        # Zipkin has no links; the specification leaves them open.
        tags["otel.links"] = ",".join("-".join(link) for link in span.links[:_LINKS_MAX])
    for what, count in span.dropped.items():
        if count:
            tags[f"otel.dropped_{what}_count"] = str(count)
    return tags


def _remote(span: OtelSpan) -> V2Endpoint | None:
    """The other side, as far as the attributes name it."""
    known = span.attributes
    told = known.keys() & _OF_PEERS
    if not told:
        return None
    texts = tuple([(key, show(known[key])) for key in sorted(told)])
    find = _known_peer if sum([len(text) for _, text in texts]) <= _PEER_CHARS_MAX else _peer
    return find(texts, calls=span.kind in _CALLS)


def _peer(texts: tuple[tuple[str, str], ...], *, calls: bool) -> V2Endpoint | None:
    known = dict(texts)
    ips = (text for key in (_CALLEE_IPS if calls else _CALLER_IPS) if (text := known.get(key)))
    ipv4, ipv6 = next((both for text in ips if any(both := normalise.address(text))), (None, None))
    ports = (_port(known.get(key, "")) for key in (_CALLEE_PORTS if calls else _CALLER_PORTS))
    # A server's attributes name the server itself, but for the peer's service.
    names = (known.get(key) for key in (_PEER_NAMES if calls else _PEER_NAMES[:1]))
    name = next((text for text in names if text and not any(normalise.address(text))), None)
    return normalise.endpoint(name, ipv4, ipv6, next((port for port in ports if port), None))


# A service has few others.
_known_peer: Final = lru_cache(_PEERS_MAX)(_peer)


def _port(text: str) -> int | None:
    # No port has more than five digits; a longer text is not worth reading.
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535:  # noqa: PLR2004
        return int(text)
    return None
