"""Zipkin's v1 span, and its conversion to v2. Pure.

A v1 span has events with an endpoint each, and may hold both ends of a call; a v2 span has one
local endpoint. So one v1 span gives one v2 span for each service on it.
"""

from dataclasses import dataclass, field
from typing import Final

from tracing.pipeline.model import Kind, V2Annotation, V2Endpoint, V2Span
from tracing.pipeline.normalise import normalised

# The events that make a span's kind. ws and wr are held back until the kind is known.
_KIND_OF: Final[dict[str, Kind | None]] = {
    "cs": "CLIENT",
    "cr": "CLIENT",
    "sr": "SERVER",
    "ss": "SERVER",
    "ms": "PRODUCER",
    "mr": "CONSUMER",
    "ws": None,
    "wr": None,
}
ADDRESSES: Final = frozenset({"ca", "sa", "ma"})


@dataclass(frozen=True, slots=True)
class V1Event:
    """An annotation. Units: microseconds since 1970."""

    timestamp: int
    value: str
    endpoint: V2Endpoint | None = None


@dataclass(frozen=True, slots=True)
class V1Tag:
    """A binary annotation of text, or an address mark (key ca, sa, ma)."""

    key: str
    value: str
    endpoint: V2Endpoint | None = None


@dataclass(slots=True, kw_only=True)
class V1Span:
    """A v1 span. Ids are hex digits; zero times are absent ones."""

    trace_id: str
    id: str
    parent_id: str | None = None
    name: str | None = None
    timestamp: int = 0
    duration: int = 0
    debug: bool = False
    events: list[V1Event] = field(default_factory=list)
    tags: list[V1Tag] = field(default_factory=list)


def convert(source: V1Span) -> list[V2Span]:
    """The normalised v2 spans of one v1 span. Raises: SpanError."""
    return _Conversion(source).spans()


class _Conversion:
    """One conversion: the v2 spans under construction, and the core events met."""

    def __init__(self, source: V1Span) -> None:
        self._source = source
        self._out: list[V2Span] = [self._new(None)]
        self._by_service: dict[str | None, V2Span] = {}  # the first of each
        self._core: dict[str, V1Event] = {}

    def spans(self) -> list[V2Span]:
        self._sort_events()
        self._guess_start("cs", "cr")
        self._guess_start("sr", "ss")
        self._time_rpc()
        self._time_messaging()
        self._assign_tags()
        return [normalised(span) for span in self._out]

    # ── one v2 span a service ────────────────────────────────────────────────────────────────

    def _new(self, endpoint: V2Endpoint | None) -> V2Span:
        source = self._source
        return V2Span(
            trace_id=source.trace_id,
            parent_id=source.parent_id,
            id=source.id,
            name=source.name,
            local_endpoint=endpoint,
            debug=source.debug,
        )

    def _at(self, endpoint: V2Endpoint | None) -> V2Span:
        """The span of an endpoint's service; what has no endpoint belongs to the first."""
        first = self._out[0]
        if endpoint is None:
            return first
        if first.local_endpoint is None:
            first.local_endpoint = endpoint
            self._by_service[endpoint.service_name] = first
            return first
        return self._by_service.get(endpoint.service_name) or self._split(endpoint)

    def _split(self, endpoint: V2Endpoint | None) -> V2Span:
        span = self._new(endpoint)
        self._out.append(span)
        if endpoint is not None:
            self._by_service.setdefault(endpoint.service_name, span)
        return span

    # ── events ───────────────────────────────────────────────────────────────────────────────

    def _sort_events(self) -> None:
        for event in sorted(self._source.events, key=lambda e: (e.timestamp, e.value)):
            span = self._at(event.endpoint)
            if event.endpoint is None or event.value not in _KIND_OF:
                _annotate(span, event)
                continue
            kind = _KIND_OF[event.value]
            if kind is not None:
                span.kind = kind
            self._core[event.value] = event

    def _guess_start(self, start: str, end: str) -> None:
        """A start that was not sent, where the span's own times say that it was theirs."""
        source, last = self._source, self._core.get(end)
        if start in self._core or last is None or not (source.timestamp and source.duration):
            return
        if source.timestamp + source.duration == last.timestamp:
            self._core[start] = V1Event(source.timestamp, start, last.endpoint)

    def _time(self, begin: V1Event, end: V1Event | None) -> V2Span:
        """Times of one side: the v1 span's own if it has both, else the events'."""
        span, source = self._at(begin.endpoint), self._source
        if source.timestamp and source.duration:
            span.timestamp, span.duration = source.timestamp, source.duration
        else:
            span.timestamp = begin.timestamp
            if end is not None:
                span.duration = end.timestamp - begin.timestamp
        return span

    def _time_rpc(self) -> None:
        core, source = self._core, self._source
        cs, cr, sr, ss = (core.get(name) for name in ("cs", "cr", "sr", "ss"))
        if cs is not None and sr is not None:
            client = self._time(cs, cr)
            if _same_service(cs, sr):
                client.kind = "CLIENT"
                server = self._split(sr.endpoint)
                server.kind = "SERVER"
            else:
                server = self._at(sr.endpoint)
            server.shared = True
            server.timestamp = sr.timestamp
            if ss is not None:
                server.duration = ss.timestamp - sr.timestamp
            if cr is None and not source.duration:
                client.duration = None
        elif cs is not None and cr is not None:
            self._time(cs, cr)
        elif sr is not None and ss is not None:
            self._time(sr, ss)
        else:
            self._time_incomplete()
        # v1 had no shared flag: a server span without times of its own was the caller's span.
        if cs is None and sr is not None:
            ended = ss is not None and not source.duration
            if not source.timestamp or ended:
                self._at(sr.endpoint).shared = True

    def _time_incomplete(self) -> None:
        for span in self._out:
            names = {"CLIENT": ("cs", "cr"), "SERVER": ("sr", "ss")}.get(span.kind or "")
            if names is None:
                continue
            begin, end = self._core.get(names[0]), self._core.get(names[1])
            if begin is not None:
                span.timestamp = begin.timestamp
            if end is not None:
                _annotate(span, end)
        if self._source.timestamp:
            first = self._out[0]
            first.timestamp, first.duration = self._source.timestamp, self._source.duration

    def _time_messaging(self) -> None:
        ms, mr, ws, wr = (self._core.get(name) for name in ("ms", "mr", "ws", "wr"))
        if ms is not None and mr is not None:
            producer = self._at(ms.endpoint)
            if _same_service(ms, mr):
                producer.kind = "PRODUCER"
                consumer = self._split(mr.endpoint)
                consumer.kind = "CONSUMER"
            else:
                consumer = self._at(mr.endpoint)
            consumer.shared = True
            consumer.timestamp = mr.timestamp
            if wr is not None:
                consumer.timestamp, consumer.duration = wr.timestamp, mr.timestamp - wr.timestamp
            producer.timestamp = ms.timestamp
            producer.duration = None if ws is None else ws.timestamp - ms.timestamp
        elif ms is not None:
            self._time(ms, ws)
        elif mr is not None:
            self._time(mr if wr is None else wr, None if wr is None else mr)
        else:
            for event in (ws, wr):
                if event is not None:
                    _annotate(self._at(event.endpoint), event)

    # ── tags and addresses ───────────────────────────────────────────────────────────────────

    def _assign_tags(self) -> None:
        marks: dict[str, V2Endpoint | None] = {}
        for tag in sorted(self._source.tags, key=lambda t: t.key):
            if tag.key in ADDRESSES:
                marks[tag.key] = tag.endpoint
                continue
            span = self._at(tag.endpoint)
            if tag.key != "lc" or tag.value:  # an empty lc only says where the span was
                span.tags = span.tags or {}
                span.tags[tag.key] = tag.value
        self._place(marks.get("ca"), marks.get("sa"), marks.get("ma"))

    def _place(self, ca: V2Endpoint | None, sa: V2Endpoint | None, ma: V2Endpoint | None) -> None:
        """Remote endpoints from the address marks."""
        core = self._core
        if not any(name in core for name in ("cs", "cr", "sr", "ss")) and (ca or sa):
            span = self._at(ca if sa is not None else None)
            span.remote_endpoint = sa or ca
            if sa is None:
                span.kind = "SERVER"
            return
        server = core.get("sr") or core.get("ss")
        if ca is not None and server is not None and ca != server.endpoint:
            where = server.endpoint
            if where is not None and where.service_name == ca.service_name:
                ca = V2Endpoint(None, ca.ipv4, ca.ipv6, ca.port)
            self._at(where).remote_endpoint = ca
        client = core.get("cs") or core.get("cr")
        if sa is not None and client is not None:
            self._at(client.endpoint).remote_endpoint = sa
        for name in ("ms", "mr"):
            if ma is not None and name in core:
                self._at(core[name].endpoint).remote_endpoint = ma


def _annotate(span: V2Span, event: V1Event) -> None:
    span.annotations = span.annotations or []
    span.annotations.append(V2Annotation(event.timestamp, event.value))


def _same_service(first: V1Event, second: V1Event) -> bool:
    a, b = first.endpoint, second.endpoint
    return (a and a.service_name) == (b and b.service_name)
