"""Span records as a Zipkin v2 JSON list.

A record becomes a struct of the same members, and msgspec writes all of a batch at once: 0.85 µs
a span with three ids, two endpoints and six tags. Putting the text together from pieces took 1.4
to 2.1 µs, a dict a span 2.6.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from tracing.span import Endpoint, SpanRecord

_encode: Final = msgspec.json.Encoder().encode
_ENDPOINTS_MAX: Final = 4096


class _Place(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    service_name: str = ""
    ipv4: str = ""
    ipv6: str = ""
    port: int = 0


class _Note(msgspec.Struct, gc=False):
    timestamp: int
    value: str


class _Span(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """Members in Zipkin's own order; what equals its default is not written."""

    trace_id: str
    parent_id: str | None = None
    id: str = ""
    kind: str = ""
    name: str = ""
    timestamp: int = 0
    duration: int = 0
    local_endpoint: msgspec.Raw | None = None
    remote_endpoint: msgspec.Raw | None = None
    annotations: list[_Note] | None = None
    tags: dict[str, str] | None = None
    debug: bool = False
    shared: bool = False


class _Endpoints:
    """The JSON of endpoints by the identity of their objects, which repeat from span to span.

    An entry holds the endpoint itself, so that its id cannot be given to another one meanwhile.
    """

    def __init__(self) -> None:
        self.known: dict[int, tuple[Endpoint, msgspec.Raw | None]] = {}

    def add(self, endpoint: Endpoint) -> tuple[Endpoint, msgspec.Raw | None]:
        """The endpoint and its object, None when nothing is known of it."""
        if len(self.known) >= _ENDPOINTS_MAX:
            self.known.clear()
        ip = endpoint.ip
        four, six = ("", ip) if ":" in ip else (ip, "")
        text = _encode(_Place(endpoint.service_name, four, six, max(endpoint.port, 0)))
        entry = self.known[id(endpoint)] = (endpoint, None if text == b"{}" else msgspec.Raw(text))
        return entry


_endpoints: Final = _Endpoints()


def endpoint_json(endpoint: Endpoint) -> str:
    """One endpoint's object, empty when nothing is known of it."""
    text = (_endpoints.known.get(id(endpoint)) or _endpoints.add(endpoint))[1]
    return "" if text is None else bytes(text).decode()


def encode_spans(records: Iterable[SpanRecord]) -> bytes:
    """A v2 list as POST /api/v2/spans takes it, members in Zipkin's own order.

    A span with no duration has none in the list; nothing is lower-cased or cut: collectors do.
    """
    out = []
    # One loop over locals: a function a span, and one an endpoint, cost a quarter more.
    known, add = _endpoints.known.get, _endpoints.add
    for record in records:
        parent_id, local, remote = record.parent_id, record.local, record.remote
        route, tags, notes = record.route, record.tags, record.annotations
        elapsed_us = record.elapsed_us
        out.append(
            _Span(
                record.trace_id.hex(),
                None if parent_id is None else parent_id.hex(),
                record.span_id.hex(),
                record.kind,
                record.name,
                record.start_us,
                elapsed_us if elapsed_us > 0 else 0,  # noqa: FURB136 - max() costs 60 ns more
                (known(id(local)) or add(local))[1],
                None if remote is None else (known(id(remote)) or add(remote))[1],
                [_Note(at, value) for at, value in notes] if notes else None,
                ({**route, **tags} if route else tags) or None,
                record.debug,
                record.shared,
            )
        )
    return _encode(out)
