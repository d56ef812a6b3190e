"""What the hot path writes down about one side of one exchange; encoded later, off its way."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec


class Endpoint(msgspec.Struct, frozen=True, gc=False):
    """A named network place; ip is text (v4 or v6). Empty and 0 mean unknown."""

    service_name: str
    ip: str = ""
    port: int = 0


# gc=False: the collector of cycles need not walk the queue of records. A record owns strings,
# bytes, integers and dicts of strings only, none of which can point back at it.
class SpanRecord(msgspec.Struct, gc=False):
    """One span as the process saw it.

    Shape: ids are raw bytes (trace 8 or 16, the others 8); kind is CLIENT, SERVER, PRODUCER,
    CONSUMER or empty; `route` holds the tags that all requests of a route share, `tags` this
    request's own, which win; annotations are (wall clock, text) pairs.
    Units: start_us is the wall clock in microseconds since 1970; elapsed_us a monotonic
    difference, at least 1 for a finished span, 0 for one without an end.
    """

    spans: ClassVar[int] = 1
    """How many spans a record stands for; an exchange's stands for two."""
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    kind: str
    name: str
    start_us: int
    elapsed_us: int
    local: Endpoint
    remote: Endpoint | None
    tags: dict[str, str]
    route: Mapping[str, str] | None = None
    annotations: tuple[tuple[int, str], ...] = ()
    shared: bool = False
    debug: bool = False
