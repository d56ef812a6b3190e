"""Services and their calls, laid out in columns from callers to callees. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from tracing.pipeline.links import Link

_WIDTH: Final = 170
_HEIGHT: Final = 30
_GAP_X: Final = 110
_GAP_Y: Final = 16
_MARGIN: Final = 12
# A curve bends to three quarters of where its handles are: to the middle of the gap below.
_ROUND: Final = (_HEIGHT + _GAP_Y) * 2 // 3
_BEND: Final = _GAP_X // 2
_CLEAR: Final = _GAP_Y // 2  # between an arrow and a box that it passes
_WHOLE: Final = 100.0
SERVICES_MAX: Final = 200  # drawn; a picture of more is none

_Columns = list[list[str]]  # services by their names, from the left, from the top


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
    """A link's curve. Units: thick and places in pixels, failing in percent of its calls.

    Shape: `label` is how many calls it stands for, and their share where a service's calls were
    shared out.
    """

    link: Link
    label: str
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


def _busiest(links: Sequence[Link]) -> tuple[list[str], int]:
    """The services that are drawn, by name, and how many are not."""
    weight: Counter[str] = Counter()
    for link in links:
        weight[link.parent] += link.call_count
        weight[link.child] += link.call_count
    chosen = sorted(weight, key=lambda name: (-weight[name], name))[:SERVICES_MAX]
    return sorted(chosen), len(weight) - len(chosen)


def _stacked(names: Sequence[str], links: Sequence[Link], column: Mapping[str, int]) -> _Columns:
    """The services of each column from its top: one goes to the mean row of its callers."""
    callers: dict[str, list[str]] = {name: [] for name in names}
    for link in links:
        callers[link.child].append(link.parent)
    columns: _Columns = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for name in names:
        columns[column[name]].append(name)
    place: dict[str, int] = {}
    for members in columns:
        above = {name: [place[one] for one in callers[name] if one in place] for name in members}
        order = {name: (fmean(rows or [0]), name) for name, rows in above.items()}
        members.sort(key=order.__getitem__)
        place.update({name: row for row, name in enumerate(members)})
    return columns


def _boxes(columns: _Columns, links: Sequence[Link]) -> dict[str, Box]:
    calls: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for link in links:
        calls[link.child] += link.call_count
        errors[link.child] += link.error_count
    tallest = max(map(len, columns), default=0)
    boxes = {}
    for number, members in enumerate(columns):
        x = _MARGIN + number * (_WIDTH + _GAP_X)
        top = _MARGIN + (tallest - len(members)) * (_HEIGHT + _GAP_Y) // 2
        for row, name in enumerate(members):
            boxes[name] = Box(name, x, top + row * (_HEIGHT + _GAP_Y), calls[name], errors[name])
    return boxes


def lay_out(links: Sequence[Link], shares: Mapping[tuple[str, str], float] | None = None) -> Graph:
    """The picture of some links, the busiest services of too many.

    Units: shares are percent of its service's calls, by caller and callee.
    """
    names, left_out = _busiest(links)
    shown = frozenset(names)
    drawn = [link for link in links if link.parent in shown and link.child in shown]
    column = _columns(names, drawn)
    columns = _stacked(names, drawn, column)
    boxes = _boxes(columns, drawn)
    callers = Counter(link.parent for link in drawn)
    callees = Counter(link.child for link in drawn)
    most = max((link.call_count for link in drawn), default=1)
    tallest = max(map(len, columns), default=0)
    return Graph(
        boxes=list(boxes.values()),
        arrows=[
            _arrow(
                _Ends(link, boxes, column),
                round(1.0 + 2.5 * link.call_count / most, 2),
                crowded=callees[link.child] > callers[link.parent],
                share=(shares or {}).get((link.parent, link.child), 100.0),
            )
            for link in drawn
        ],
        width=2 * _MARGIN + max(len(columns), 1) * (_WIDTH + _GAP_X) - _GAP_X,
        height=2 * _MARGIN + max(tallest, 1) * (_HEIGHT + _GAP_Y) + _GAP_Y,
        left_out=left_out,
    )


class _Ends:
    """Where a link begins and ends."""

    def __init__(self, link: Link, boxes: Mapping[str, Box], column: Mapping[str, int]) -> None:
        self.link = link
        first, second = boxes[link.parent], boxes[link.child]
        self.x1, self.y1 = first.x + _WIDTH, first.y + _HEIGHT // 2
        self.x2, self.y2 = second.x, second.y + _HEIGHT // 2
        between = range(column[link.parent] + 1, column[link.child])
        self.passed = [box for box in boxes.values() if column[box.name] in between]

    def lane(self) -> int:
        """The height nearest to its ends at which no box is in the way."""
        middle = (self.y1 + self.y2) // 2
        heights = [middle]
        for box in self.passed:
            heights += [box.y - _CLEAR, box.y + _HEIGHT + _CLEAR]
        free = (
            y
            for y in heights
            if not any(box.y - _CLEAR < y < box.y + _HEIGHT + _CLEAR for box in self.passed)
        )
        return min(free, key=lambda y: abs(y - middle))


def _arrow(ends: _Ends, thick: float, *, crowded: bool, share: float) -> Arrow:
    """Shape: crowded is where more arrows meet at the callee than at the caller."""
    link, x1, y1, x2, y2 = ends.link, ends.x1, ends.y1, ends.x2, ends.y2
    if ends.passed:
        left, right, lane = x1 + _GAP_X, x2 - _GAP_X, ends.lane()
        curve = (
            f"M{x1} {y1} C{x1 + _BEND} {y1} {left - _BEND} {lane} {left} {lane} H{right}"
            f" C{right + _BEND} {lane} {x2 - _BEND} {y2} {x2} {y2}"
        )
        label_x, label_y = right + _GAP_X / 7, lane - 4.0  # past the boxes, whose gaps are narrow
    else:
        # At the end where fewer arrows meet, so that numbers are apart.
        part = 0.3 if crowded else 0.7 if share >= _WHOLE else 0.55
        near, far = (1 - part) ** 3, part**3
        bent, bent_more = 3 * (1 - part) ** 2 * part, 3 * (1 - part) * part**2
        drop = _ROUND if x2 <= x1 else 0  # a call back closes a cycle: it goes round below
        curve = f"M{x1} {y1} C{x1 + _BEND} {y1 + drop} {x2 - _BEND} {y2 + drop} {x2} {y2}"
        label_x = near * x1 + bent * (x1 + _BEND) + bent_more * (x2 - _BEND) + far * x2
        label_y = near * y1 + bent * (y1 + drop) + bent_more * (y2 + drop) + far * y2 - 4
    return Arrow(
        link=link,
        label=f"{link.call_count}" if share >= _WHOLE else f"{link.call_count} · {share:g} %",
        curve=curve,
        back=x2 <= x1,
        thick=thick,
        failing=round(100 * link.error_count / max(link.call_count, 1), 1),
        label_x=round(label_x, 1),
        label_y=round(label_y, 1),
    )
