"""Services and their calls, laid out in columns from callers to callees. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tracing.pipeline.links import Link

_WIDTH: Final = 170
_HEIGHT: Final = 30
_GAP_X: Final = 110
_GAP_Y: Final = 16
_MARGIN: Final = 12
# A curve bends to three quarters of where its handles are: to the middle of the gap below.
_ROUND: Final = (_HEIGHT + _GAP_Y) * 2 // 3
SERVICES_MAX: Final = 200  # drawn; a picture of more is none


@dataclass(frozen=True, slots=True)
class Box:
    """A service's place. Units: pixels."""

    name: str
    x: int
    y: int
    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class Arrow:
    """A link's curve. Units: thick and places in pixels, failing in percent of its calls."""

    link: Link
    curve: str
    back: bool
    thick: float
    failing: float
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class Graph:
    """The picture."""

    boxes: list[Box]
    arrows: list[Arrow]
    width: int
    height: int
    left_out: int


def _callers_first(names: Sequence[str], callees: dict[str, list[str]]) -> dict[str, int]:
    """A rank for each service: below all its callers, but for calls that close a cycle."""
    finished: list[str] = []
    entered: set[str] = set()
    called = {callee for name in names for callee in callees[name]}
    for start in [*(name for name in names if name not in called), *names]:
        stack = [(start, iter(callees[start]))] if start not in entered else []
        entered.add(start)
        while stack:
            name, ahead = stack[-1]
            callee = next((one for one in ahead if one not in entered), None)
            if callee is None:
                finished.append(name)
                stack.pop()
            else:
                entered.add(callee)
                stack.append((callee, iter(callees[callee])))
    return {name: rank for rank, name in enumerate(reversed(finished))}


def _columns(names: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    """A column for each service: one right of its rightmost caller; cycles are cut."""
    callees: dict[str, list[str]] = {name: [] for name in names}
    for link in links:
        if link.parent != link.child:
            callees[link.parent].append(link.child)
    rank = _callers_first(names, callees)
    column = dict.fromkeys(names, 0)
    for name in sorted(rank, key=rank.__getitem__):
        for callee in callees[name]:
            if rank[name] < rank[callee]:
                column[callee] = max(column[callee], column[name] + 1)
    return column


def lay_out(links: Sequence[Link]) -> Graph:
    """The picture of some links, the busiest services of too many."""
    weight: dict[str, int] = {}
    for link in links:
        for name in (link.parent, link.child):
            weight[name] = weight.get(name, 0) + link.call_count
    chosen = sorted(weight, key=lambda name: (-weight[name], name))[:SERVICES_MAX]
    names = sorted(chosen)
    drawn = [link for link in links if link.parent in weight and link.child in weight]
    drawn = [link for link in drawn if {link.parent, link.child} <= set(names)]
    column = _columns(names, drawn)
    rows: dict[int, list[str]] = {}
    place: dict[str, int] = {}
    for number in range(max(column.values(), default=-1) + 1):
        members = [name for name in names if column[name] == number]
        # Beside its callers: a service goes to the mean row of those.
        mean = {
            name: [
                place[link.parent] for link in drawn if link.child == name and link.parent in place
            ]
            for name in members
        }
        members.sort(
            key=lambda name: (sum(mean[name]) / len(mean[name]) if mean[name] else 0, name)
        )
        rows[number] = members
        place.update({name: row for row, name in enumerate(members)})
    tallest = max((len(members) for members in rows.values()), default=0)
    boxes = {}
    for number, members in rows.items():
        top = (tallest - len(members)) * (_HEIGHT + _GAP_Y) // 2
        for row, name in enumerate(members):
            calls = sum(link.call_count for link in drawn if link.child == name)
            errors = sum(link.error_count for link in drawn if link.child == name)
            x = _MARGIN + number * (_WIDTH + _GAP_X)
            y = _MARGIN + top + row * (_HEIGHT + _GAP_Y)
            boxes[name] = Box(name, x, y, calls, errors)
    callers, callees = (
        Counter(link.parent for link in drawn),
        Counter(link.child for link in drawn),
    )
    most = max((link.call_count for link in drawn), default=1)
    return Graph(
        boxes=list(boxes.values()),
        arrows=[
            _arrow(link, boxes, column, most, (callers[link.parent], callees[link.child]))
            for link in drawn
        ],
        width=2 * _MARGIN + max(len(rows), 1) * (_WIDTH + _GAP_X) - _GAP_X,
        height=2 * _MARGIN + max(tallest, 1) * (_HEIGHT + _GAP_Y) + _GAP_Y,
        left_out=len(weight) - len(names),
    )


def _arrow(
    link: Link, boxes: dict[str, Box], column: dict[str, int], most: int, meeting: tuple[int, int]
) -> Arrow:
    """Shape: `meeting` counts the arrows from its caller and to its callee."""
    first, second = boxes[link.parent], boxes[link.child]
    x1, y1 = first.x + _WIDTH, first.y + _HEIGHT // 2
    x2, y2 = second.x, second.y + _HEIGHT // 2
    bend = _GAP_X // 2
    # At the end where fewer arrows meet, so that numbers are apart.
    share = 0.3 if meeting[1] > meeting[0] else 0.7
    near, far = (1 - share) ** 3, share**3
    bent, bent_more = 3 * (1 - share) ** 2 * share, 3 * (1 - share) * share**2
    # A call back closes a cycle, one over a column would hide behind a box: both go round below.
    drop = 0 if column[link.child] - column[link.parent] == 1 else _ROUND
    return Arrow(
        link=link,
        curve=f"M{x1} {y1} C{x1 + bend} {y1 + drop} {x2 - bend} {y2 + drop} {x2} {y2}",
        back=x2 <= x1,
        thick=round(1.0 + 2.5 * link.call_count / most, 2),
        label_x=round(near * x1 + bent * (x1 + bend) + bent_more * (x2 - bend) + far * x2, 1),
        label_y=round(near * y1 + bent * (y1 + drop) + bent_more * (y2 + drop) + far * y2 - 4, 1),
        failing=round(100 * link.error_count / max(link.call_count, 1), 1),
    )
