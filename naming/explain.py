"""Why a name goes where it goes: every dentry tried, and what became of it.

It walks as binding does, the lone `~` included, but goes down every way, and then says of each
what binding made of it. `bind` has the last word: a property holds the two together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from dtab import Dtab, Path
from dtab.tree import show_weight
from naming.delegate import delegate
from naming.delegation import (
    BoundEnd,
    BrokenEnd,
    Choice,
    Delegation,
    EmptyEnd,
    FailEnd,
    NegEnd,
    Split,
    Step,
    Transformation,
)
from naming.endpoint import Addr, AddrNeg
from naming.namer import Namer
from naming.state import Failed, Ok, Pending, State
from naming.walk import Part, need, need_all, walk

ENDPOINTS_SHOWN: Final = 5


class Outcome(Enum):
    """What binding gets out of a way."""

    BOUND = "bound"
    EMPTY = "empty: it exists, with nobody home"
    NEG = "neg: nothing there"
    FAIL = "fail: the search stops here"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Explained:
    """A node of the delegation with its outcome, its share of the traffic, and the parts below.

    Shape: `share` is from 0 to 1, of all traffic for the name; `lost` says why it is 0.
    """

    node: Delegation
    outcome: Outcome
    share: float
    lost: str
    weight: float | None
    parts: "tuple[Explained, ...]"


def explain(path: Path, dtab: Dtab, namers: Sequence[Namer]) -> State[Explained]:
    """Every way the path could go, with what becomes of each."""
    state = delegate(path, dtab, namers, as_bound=True).state
    if not isinstance(state, Ok):
        return state
    judged = walk(_judge(state.value))
    return Ok(walk(_told(judged, _Fate(1.0 if judged.outcome is Outcome.BOUND else 0.0, "", None))))


@dataclass(frozen=True, slots=True)
class _Judged:
    node: Delegation
    outcome: Outcome
    parts: "tuple[_Judged, ...]"


def _judge(node: Delegation) -> Part[_Judged]:
    """Each node's outcome, from the ends up."""
    match node:
        case NegEnd():
            return _Judged(node, Outcome.NEG, ())
        case FailEnd():
            return _Judged(node, Outcome.FAIL, ())
        case EmptyEnd():
            return _Judged(node, Outcome.EMPTY, ())
        case BrokenEnd():
            return _Judged(node, Outcome.FAILED, ())
        case BoundEnd():
            return _Judged(node, Outcome.BOUND, ())
        case Step() | Transformation():
            part = yield from need(_judge(node.tree))
            return _Judged(node, part.outcome, (part,))
        case Choice():
            parts = yield from need_all([_judge(part) for part in node.trees])
            outcome = next((p.outcome for p in parts if p.outcome is not Outcome.NEG), Outcome.NEG)
            return _Judged(node, outcome, tuple(parts))
        case Split():
            parts = yield from need_all([_judge(part) for _, part in node.trees])
            return _Judged(node, _split_outcome([part.outcome for part in parts]), tuple(parts))
    assert_never(node)


def _split_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a union: what failed drops out, then neg and fail do."""
    answered = [outcome for outcome in outcomes if outcome is not Outcome.FAILED]
    if not answered:
        return Outcome.FAILED
    if len(answered) == 1:
        return answered[0]
    for outcome in (Outcome.BOUND, Outcome.EMPTY):
        if outcome in answered:
            return outcome
    return Outcome.NEG


@dataclass(frozen=True, slots=True)
class _Fate:
    share: float
    lost: str
    weight: float | None


NOT_REACHED: Final = "not reached: an alternative before it answered"


def _told(judged: _Judged, fate: _Fate) -> Part[Explained]:
    """The shares and reasons, from the top down."""
    lost = fate.lost or _lost(judged)
    fates: list[_Fate]
    match judged.node:
        case Choice():
            fates = _choice_fates(judged, fate)
        case Split():
            fates = _split_fates(judged, fate)
        case _:
            fates = [_Fate(fate.share, fate.lost, None) for _ in judged.parts]
    parts = yield from need_all(
        [_told(part, below) for part, below in zip(judged.parts, fates, strict=True)]
    )
    return Explained(judged.node, judged.outcome, fate.share, lost, fate.weight, tuple(parts))


def _lost(judged: _Judged) -> str:
    if judged.outcome is Outcome.BOUND:
        return ""
    if isinstance(judged.node, BrokenEnd):
        return f"failed: {judged.node.error}"
    return str(judged.outcome.value)


def _choice_fates(judged: _Judged, fate: _Fate) -> list[_Fate]:
    fates: list[_Fate] = []
    answered = False
    for part in judged.parts:
        if answered:
            fates.append(_Fate(0.0, fate.lost or NOT_REACHED, None))
        elif part.outcome is Outcome.NEG:
            fates.append(_Fate(0.0, fate.lost, None))
        else:
            answered = True
            fates.append(_Fate(fate.share, fate.lost, None))
    return fates


def _split_fates(judged: _Judged, fate: _Fate) -> list[_Fate]:
    assert isinstance(judged.node, Split)
    weights = [weight for weight, _ in judged.node.trees]
    stays = [part.outcome in (Outcome.BOUND, Outcome.EMPTY) for part in judged.parts]
    total = sum(weight for weight, stay in zip(weights, stays, strict=True) if stay)
    fates: list[_Fate] = []
    for weight, stay in zip(weights, stays, strict=True):
        part = (weight / total if total else 1 / sum(stays)) if stay else 0.0
        share = fate.share * part
        lost = fate.lost or ("" if share or not stay else "its weight is 0")
        fates.append(_Fate(share, lost, weight))
    return fates


def lines(explained: Explained) -> Iterator[str]:
    """The explanation as an indented tree for people, one line a node; a loop is shown once."""
    seen: frozenset[tuple[Path, object]] = frozenset()
    stack = [(explained, "", "", seen)]
    while stack:
        top, lead, indent, above = stack.pop()
        name = (top.node.path, top.node.dentry)
        if top.node.dentry is not None and top.parts and name in above:
            yield f"{lead}{top.node.path}  [a loop: the same name by the same dentry is above]"
            continue
        yield lead + _line(top)
        below: list[tuple[Explained, str, str, frozenset[tuple[Path, object]]]] = []
        for number, part in enumerate(top.parts, start=1):
            last = number == len(top.parts)
            mark, gap = ("└─ ", "   ") if last else ("├─ ", "│  ")
            below.append((part, indent + mark, indent + gap, above | {name}))
        stack.extend(reversed(below))


def shown_name(explained: Explained) -> str:
    """The node's path, with its weight before it where it is a branch."""
    weight = "" if explained.weight is None else show_weight(explained.weight)
    return weight + explained.node.shown_path


def _line(explained: Explained) -> str:
    node = explained.node
    words = [shown_name(explained)]
    if node.dentry is not None:
        place = f" at {node.dentry.place}" if node.dentry.place is not None else ""
        words.append(f"  by {node.dentry.prefix} => {node.dentry.dst}{place}")
    if isinstance(node, BoundEnd):
        residual = f", residual {node.bound.residual}" if node.bound.residual.labels else ""
        words.append(f"  bound to {node.bound.id}{residual}: {addr_text(node.bound.addr.state)}")
    if explained.lost:
        words.append(f"  [{explained.lost}]")
    elif explained.share:
        words.append(f"  [{explained.share:.4g} of the traffic]")
    return "".join(words)


def addr_text(state: State[Addr]) -> str:
    """The addresses of a name, for people."""
    match state:
        case Pending():
            return "addresses not known yet"
        case Failed(error):
            return f"addresses failed: {error}"
        case Ok(addr):
            if isinstance(addr, AddrNeg):
                return "no addresses"
            shown = ", ".join(map(str, addr.endpoints[:ENDPOINTS_SHOWN]))
            more = len(addr.endpoints) - ENDPOINTS_SHOWN
            return (shown or "nobody home") + (f" and {more} more" if more > 0 else "")
    assert_never(state)
