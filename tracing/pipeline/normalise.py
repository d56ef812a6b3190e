"""Zipkin's rules for the values of a span: ids, names, addresses, order.

Source: the real server 3.6.1 as observed; vectors in tests/vectors/data/zipkin.
"""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

from tracing.pipeline.model import SpanError, V2Annotation, V2Endpoint, V2Span

_NOT_HEX: Final = re.compile("[^0-9a-f]")
_IPV4: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\Z")
_MAPPED: Final = re.compile(r"::(?:ffff:|0000:)?(?=[0-9.]+\Z)", re.IGNORECASE)
_GROUP: Final = re.compile("[0-9a-fA-F]{1,4}")
_GROUPS: Final = 8
_ADDRESS_CHARS_MAX: Final = 39  # eight groups of four digits; every other form is shorter
_ID_DIGITS: Final = 16
_TRACE_ID_DIGITS: Final = 32
_IDS: Final = re.compile("[0-9a-f]{16}(?:[0-9a-f]{16})? [0-9a-f]{16} [0-9a-f]{16}")
_ZEROS: Final = "0" * _ID_DIGITS  # zero itself, or a half that may have to go
_PLACES_MAX: Final = 4096
_PLACE_CHARS_MAX: Final = 256
_NO_PARENT: Final = "f" * 16


def _hex(text: str, name: str, digits_max: int) -> str:
    if not text:
        raise SpanError(f"{name} is empty")
    if len(text) > digits_max:
        raise SpanError(f"{name}.length > {digits_max}")
    if _NOT_HEX.search(text) is not None:
        raise SpanError(f"{text} should be lower-hex encoded with no prefix")
    return text


def trace_id(text: str) -> str:
    """16 or 32 digits; a high half of zeros is dropped. Raises: SpanError."""
    digits = _hex(text, "traceId", _TRACE_ID_DIGITS)
    if not digits.strip("0"):
        raise SpanError("traceId is all zeros")
    # The real server drops a zero half of exactly 32 digits only, and then cannot find the
    # traces of 17 to 31 again; one rule for all of them loses nothing.
    digits = digits.lstrip("0")
    return digits.zfill(_ID_DIGITS if len(digits) <= _ID_DIGITS else _TRACE_ID_DIGITS)


def span_id(text: str) -> str:
    """16 digits. Raises: SpanError; every run of zeros alone is refused."""
    digits = _hex(text, "id", _ID_DIGITS)
    if not digits.strip("0"):
        raise SpanError("id is all zeros")
    return digits.zfill(_ID_DIGITS)


def parent_id(text: str | None) -> str | None:
    """16 digits, or None for none and for zero. Raises: SpanError."""
    if text is None:
        return None
    digits = _hex(text, "parentId", _ID_DIGITS)
    return digits.zfill(_ID_DIGITS) if digits.strip("0") else None


def _groups(text: str) -> list[int] | None:
    """The groups of one side of an IPv6 text."""
    if not text:
        return []
    parts = text.split(":")
    return [int(part, 16) for part in parts] if all(map(_GROUP.fullmatch, parts)) else None


def _read_ipv6(text: str) -> list[int] | None:
    head, gap, tail = text.partition("::")
    if "::" in tail or tail.startswith(":"):
        return None
    first, last = _groups(head), _groups(tail)
    if first is None or last is None:
        return None
    missing = _GROUPS - len(first) - len(last)
    if not gap:
        return first if missing == 0 else None
    return [*first, *[0] * missing, *last] if missing > 0 else None


def show_ipv6(groups: list[int]) -> str:
    """Zipkin's way to write an address: the longest run of zeros becomes "::".

    The first of equal runs, also a run of one; a run at the very end only where there is no
    other. (RFC 5952 differs in both.)
    """
    runs: list[tuple[int, int]] = []
    edges = [-1, *[i for i, group in enumerate(groups) if group], len(groups)]
    for before, after in pairwise(edges):
        if after - before > 1:
            runs.append((before + 1, after))
    if not runs:
        return ":".join(f"{group:x}" for group in groups)
    inner = [run for run in runs if run[1] < len(groups)] or runs
    start, end = max(inner, key=lambda run: run[1] - run[0])
    left = ":".join(f"{group:x}" for group in groups[:start])
    right = ":".join(f"{group:x}" for group in groups[end:])
    return f"{left}::{right}"


def address(text: str) -> tuple[str | None, str | None]:
    """(ipv4, ipv6) of a text address; both None where it cannot be read."""
    return _address(text) if len(text) <= _ADDRESS_CHARS_MAX else (None, None)


@lru_cache(maxsize=4096)
def _address(text: str) -> tuple[str | None, str | None]:
    if ":" in text and "." in text:
        mapped = _MAPPED.match(text)
        if mapped is None:
            return None, None
        text = text[mapped.end() :]
    if "." in text:
        parts = _IPV4.match(text)
        if parts is None or any(int(part) > 255 for part in parts.groups()):  # noqa: PLR2004
            return None, None
        return text, None
    if ":" not in text:
        return None, None
    groups = _read_ipv6(text)
    return (None, None) if groups is None else (None, show_ipv6(groups))


def address_of_bytes(raw: bytes) -> tuple[str | None, str | None]:
    """(ipv4, ipv6) of 4 or 16 bytes; a mapped address stays IPv6, twelve zeros make it IPv4."""
    if len(raw) == 4:  # noqa: PLR2004 - the size of an IPv4 address
        return ".".join(map(str, raw)), None
    if len(raw) != 16:  # noqa: PLR2004 - the size of an IPv6 address
        return None, None
    if not any(raw[:12]) and raw[12:] != b"\0\0\0\1":
        return ".".join(map(str, raw[12:])), None
    return None, show_ipv6([raw[i] << 8 | raw[i + 1] for i in range(0, 16, 2)])


def endpoint(
    service_name: str | None, ipv4: str | None, ipv6: str | None, port: int | None
) -> V2Endpoint | None:
    """An endpoint with what is known, None when nothing is. Raises: SpanError."""
    if port is not None:
        if port > 65_535:  # noqa: PLR2004 - the highest port
            raise SpanError(f"invalid port {port}")
        port = port if port > 0 else None
    four = six = None
    for text in (ipv4, ipv6):
        if text:
            read4, read6 = address(text)
            four, six = read4 or four, read6 or six
    name = service_name.lower() if service_name else None
    if name is None and four is None and six is None and port is None:
        return None
    return V2Endpoint(name, four, six, port)


class _Places:
    """Endpoints by what they were made of: few places make all the spans of a trace.

    The bounds are for those who write a port a connection, or a book into a name: some 4 MB.
    """

    def __init__(self) -> None:
        self.known: dict[V2Endpoint, V2Endpoint | None] = {}

    def add(self, place: V2Endpoint) -> V2Endpoint | None:
        """The endpoint, remembered where it is short."""
        made = endpoint(place.service_name, place.ipv4, place.ipv6, place.port)
        made = place if made == place else made
        texts = (place.service_name, place.ipv4, place.ipv6)
        if sum(len(text) for text in texts if text) <= _PLACE_CHARS_MAX:
            if len(self.known) >= _PLACES_MAX:
                self.known.clear()
            self.known[place] = made
        return made


_places: Final = _Places()


def _endpoint_of(place: V2Endpoint) -> V2Endpoint | None:
    try:
        return _places.known[place]
    except KeyError:
        return _places.add(place)


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def sorted_tags(tags: dict[str, str] | None) -> dict[str, str] | None:
    """Tags by key in the order of UTF-16 code units, as Java sorts them; None when empty.

    Shape: tags that stand so already are the answer themselves.
    """
    if not tags:
        return None
    keys = sorted(tags) if all(map(str.isascii, tags)) else sorted(tags, key=_utf16)
    return tags if keys == list(tags) else {key: tags[key] for key in keys}


def sorted_annotations(annotations: list[V2Annotation] | None) -> list[V2Annotation] | None:
    """Annotations by time, then text; equal ones collapse; None when empty."""
    if not annotations:
        return None
    if len(annotations) == 1:
        return annotations
    unique = dict.fromkeys(annotations)
    return sorted(unique, key=lambda note: (note.timestamp, _utf16(note.value)))


def normalised(span: V2Span) -> V2Span:
    """The span with every rule applied. Applying it again changes nothing. Raises: SpanError."""
    trace, own, parent = span.trace_id, span.id, span.parent_id
    # Nearly all ids are as they should be, and a page may ask for those of 100,000 spans.
    ids = f"{trace} {own} {_NO_PARENT if parent is None else parent}"
    if _IDS.fullmatch(ids) is None or _ZEROS in ids or own == parent:
        trace, own, parent = trace_id(trace), span_id(own), parent_id(parent)
        parent = None if parent == own else parent
    name, timestamp, duration = span.name, span.timestamp, span.duration
    local, remote = span.local_endpoint, span.remote_endpoint
    return V2Span(
        trace_id=trace,
        parent_id=parent,
        id=own,
        kind=span.kind,
        name=name.lower() if name else None,
        timestamp=timestamp if timestamp and timestamp > 0 else None,
        duration=duration if duration and duration > 0 else None,
        local_endpoint=None if local is None else _endpoint_of(local),
        remote_endpoint=None if remote is None else _endpoint_of(remote),
        annotations=sorted_annotations(span.annotations),
        tags=sorted_tags(span.tags),
        debug=True if span.debug else None,
        shared=True if span.shared and span.kind != "CLIENT" else None,
    )
