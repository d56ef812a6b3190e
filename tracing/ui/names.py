"""How spans, their sides and durations are called on the pages. Pure."""

import zlib
from typing import Final, NamedTuple

from tracing.pipeline.model import V2Endpoint, V2Span

UNNAMED: Final = "unnamed"
_NAME_CHARS_MAX: Final = 300
_TEXT_CHARS_MAX: Final = 2_000
_NAMER: Final = "/#/"
_SYSTEM: Final = "/$/"
# What Linkerd names the spans of a client: the client's path without its first slash.
_CLIENT_MARKS: Final = ("#/", "%/", "$/")

# Unit, its name, and where the next one takes over: so that no text reads "1e+03 ms".
_UNITS: Final = ((1, "µs", 1_000), (1_000, "ms", 999_500), (1_000_000, "s", 59_950_000))


def show_us(us: int | None) -> str:
    """A duration for people: "870 µs", "12.4 ms", "1.32 s", "2 min 5 s"; "?" when unknown."""
    if us is None:
        return "?"
    for unit_us, unit, below in _UNITS:
        if us < below:
            return f"{us / unit_us:.3g} {unit}" if unit_us > 1 else f"{us} {unit}"
    minutes, seconds = divmod(round(us / 1_000_000), 60)
    return f"{minutes} min {seconds} s"


def hue(name: str | None) -> int:
    """A colour's angle that a name keeps on every page."""
    return zlib.crc32((name or "").encode("utf-8", "replace")) % 360


def show_endpoint(endpoint: V2Endpoint | None) -> str:
    """An endpoint in one line."""
    if endpoint is None:
        return ""
    place = endpoint.ipv4 or (f"[{endpoint.ipv6}]" if endpoint.ipv6 else "")
    port = f":{endpoint.port}" if endpoint.port else ""
    return " ".join(part for part in (endpoint.service_name or "", place + port) if part)


def short_client(client: str) -> str:
    """A client's name as people say it: what its last namer was asked for.

    "/%/io.weir.localnode/10.0.0.7/#/io.l5d.fs/world-v2" is world-v2, "/$/inet/10.0.0.7/80" is
    10.0.0.7/80.
    """
    for mark in (_NAMER, _SYSTEM):
        before, found, rest = client.rpartition(mark)
        if found or before:
            return rest.partition("/")[2] or rest
    return client


def node_of(client: str) -> str:
    """What tells clients of one short name apart: what a transformer wrote before them.

    "/%/io.weir.localnode/10.0.0.7/#/io.l5d.fs/world-v2" is 10.0.0.7.
    """
    before, found, _ = client.removeprefix("/%/").rpartition(_NAMER)
    return before.partition("/")[2] if found and "/" in before else client


def cut(text: str) -> str:
    """A sender's text as it is shown: of a long one its beginning."""
    if len(text) <= _TEXT_CHARS_MAX:
        return text
    return f"{text[:_TEXT_CHARS_MAX]}… ({len(text):,} characters, whole in the JSON)"


class Name(NamedTuple):
    """A span's name in two parts: who, and what it does."""

    who: str
    what: str


def name_of(span: V2Span) -> Name:
    """A router's span by its label and where it leads, any other by its service."""
    who, what = _name_of(span)
    return Name(who[:_NAME_CHARS_MAX], what[:_NAME_CHARS_MAX])


def _name_of(span: V2Span) -> tuple[str, str]:
    tags = span.tags or {}
    service = span.service or span.remote_service or UNNAMED
    if "router.label" in tags:
        if span.kind == "CLIENT":
            return (tags["router.label"], "→ " + (short_client(tags.get("client", "")) or "?"))
        return (tags["router.label"], tags.get("service") or span.name or "")
    if service.startswith(_CLIENT_MARKS):
        return ("→ " + short_client("/" + service), span.name or "")
    return (service, span.name or "")


def member_of(span: V2Span) -> str:
    """Whom a span counts for in a trace's summary: a client by its short name."""
    return _member_of(span)[:_NAME_CHARS_MAX]


def _member_of(span: V2Span) -> str:
    tags = span.tags
    if tags is not None and "router.label" in tags:
        if span.kind == "CLIENT" and "client" in tags:
            return short_client(tags["client"])
        return tags["router.label"]
    service = span.service or span.remote_service or UNNAMED
    return short_client("/" + service) if service.startswith(_CLIENT_MARKS) else service
