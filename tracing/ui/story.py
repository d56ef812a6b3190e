"""Why a request went where it went: the routing that its spans recorded, hop by hop. Pure.

`weir explain --trace` and the page below a trace tell it alike. docs/tracing.md has the tags.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from dtab import Dtab, DtabSyntaxError, read_dtab, show
from tracing.pipeline.model import V2Span
from tracing.ui.names import name_of, show_endpoint, show_us
from tracing.ui.view import Waterfall, is_error

_SHOWN: Final = (
    ("edge.host", "host rule"),
    ("edge.rule", "trusted by"),
    ("edge.grant", "grant"),
    ("edge.grant.refused", "grant dropped"),
    ("edge.override", "override of"),
    ("edge.override.effect", "override here"),
    ("edge.answer", "answered by"),
    ("service", "service"),
    ("dtab.version", "table"),
    ("dtab.local", "override"),
    ("dtab.trail", "dentries"),
    ("client", "bound to"),
    ("residual", "residual"),
    ("http.method", "method"),
    ("http.uri", "path"),
    ("http.status_code", "status"),
    ("io.buoyant.router.Failure", "failed at"),
    ("error", "error"),
)
_NOT_FOLLOWED: Final = "no dentry of the override led here"
_DTAB_CHARS_MAX: Final = 20_000  # read within 20 ms; a page has a thousand steps
_DEPTH_MAX: Final = 50  # of an indent
STEPS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """One span's part of the story.

    Shape: `facts` are (tag, what it is called, lines), without what the span above has said.
    """

    span_id: str
    headline: str
    depth: int
    error: bool
    facts: tuple[tuple[str, str, tuple[str, ...]], ...]

    def as_json(self) -> dict[str, object]:
        """For programs: the facts by their tags, each a list of lines."""
        return {
            "span_id": self.span_id,
            "headline": self.headline,
            "depth": self.depth,
            "error": self.error,
            "facts": {tag: list(told) for tag, _, told in self.facts},
        }


def story(trace: Waterfall) -> list[Step]:
    """The trace, callers before callees; at most 1,000 spans of it."""
    steps = []
    above: list[V2Span] = []
    for row in trace.rows[:STEPS_MAX]:
        del above[row.depth :]
        said = (above[-1].tags or {}) if above else {}
        steps.append(
            Step(
                row.span.id,
                _headline(row.span),
                row.depth,
                is_error(row.span),
                tuple(_facts(row.span.tags or {}, said)),
            )
        )
        above.append(row.span)
    return steps


def _facts(
    tags: dict[str, str], said: dict[str, str]
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for key, name in _SHOWN:
        value = tags.get(key)
        if value is None or said.get(key) == value:
            continue
        if key == "dtab.trail":
            yield key, name, _dentries(value)
        elif key == "dtab.local" and not _followed(value, tags.get("dtab.trail")):
            yield key, name, (value, _NOT_FOLLOWED)
        else:
            yield key, name, (value,)


def _dentries(trail: str) -> tuple[str, ...]:
    return tuple(show(entry) for entry in _read(trail) or ()) or (trail,)


def _followed(local: str, trail: str | None) -> bool:
    """Whether a dentry of the request's own table is in the trail; true where nothing is known."""
    if trail is None:
        return True
    own, led = _read(local), _read(trail)
    return own is None or led is None or not set(own).isdisjoint(led)


def _read(text: str) -> Dtab | None:
    """None for what no router of ours wrote: any sender may tag its spans."""
    if len(text) > _DTAB_CHARS_MAX:
        return None
    try:
        return read_dtab(text)
    except DtabSyntaxError:
        return None


def _headline(span: V2Span) -> str:
    who, what = name_of(span)
    far = span.kind in ("CLIENT", "PRODUCER")
    place = span.remote_endpoint if far else span.local_endpoint
    where = show_endpoint(None if place is None else structs.replace(place, service_name=None))
    at = f" {'to' if far else 'at'} {where}" if where else ""
    took = "" if span.duration is None else f", {show_us(span.duration)}"
    return f"{who} {what}{at}{took}".replace("\n", " ")


def lines(steps: Sequence[Step]) -> Iterator[str]:
    """The story as indented text."""
    for step in steps:
        margin = "  " * min(step.depth, _DEPTH_MAX)
        yield f"{margin}{step.headline}"
        for _, name, told in step.facts:
            for number, line in enumerate(told):
                yield f"{margin}    {name if number == 0 else '':<13} {line}"
