"""What is odd about a table: dentries that never matter, loops, names that lead nowhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dtab import (
    NEG,
    STAR,
    Alt,
    Dentry,
    Dtab,
    Empty,
    Fail,
    NameTree,
    Neg,
    Path,
    Place,
    Prefix,
    Union,
    leafs,
)
from dtab.tree import fold
from naming.endpoint import Addr
from naming.errors import UnknownNamer
from naming.rewriters import REWRITERS
from naming.state import PENDING, Failed
from naming.system import GLOBAL, RINET, STATUS, SYSTEM, SystemNamers
from naming.watch import Always, Watch

NAMERS: Final = Path.of("#")
# A label that no dentry names, so that only wildcards agree with it.
ANY: Final = b"\x00any\x00"
# How far loops are followed; a table of people's making needs a handful.
LOOP_STEPS_MAX: Final = 50_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity: a short code, where it is, what it is, and how to mend it."""

    code: str
    place: Place | None
    message: str
    hint: str

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place is not None else ""
        return f"{where}{self.code}: {self.message}\n  hint: {self.hint}"


def lint(table: Dtab) -> list[Finding]:
    """The oddities of a table, in the order of the text."""
    found: list[Finding] = []
    heads = _Heads(table)
    numbers = {id(entry): number for number, entry in enumerate(table.entries)}
    for number, entry in enumerate(table.entries):
        above = [
            other for other in table.matches(_sample(entry.prefix)) if numbers[id(other)] > number
        ]
        found += _unreachable(entry, above)
        found += _shadowed(entry, above)
        found += _idle(entry)
        found += _dead_ends(entry, heads)
    found += _loops(table)
    return sorted(found, key=lambda finding: finding.place or Place(0, 0))


def _sample(prefix: Prefix) -> Path:
    """A path that the prefix matches; what else matches it covers the prefix."""
    return Path(tuple([ANY if elem is STAR else elem for elem in prefix.elems]))


def _at(entry: Dentry) -> str:
    return f" at {entry.place}" if entry.place is not None else ""


def _unreachable(entry: Dentry, above: Sequence[Dentry]) -> Iterator[Finding]:
    """A later dentry that covers this one and always answers."""
    for other in above:
        if other == entry:
            yield Finding(
                "unreachable",
                entry.place,
                f"{entry.prefix} => {entry.dst} stands again{_at(other)}",
                "remove one of the two",
            )
            return
        if decides(other.dst):
            yield Finding(
                "unreachable",
                entry.place,
                f"{entry.prefix} is never reached: {other.prefix} => {other.dst}{_at(other)} "
                "matches the same names, is tried first and always answers",
                f"move {entry.prefix} below it, or remove one of the two",
            )
            return


def decides(tree: NameTree[Path]) -> bool:
    """Whether the tree is sure to be something else than neg, whatever is behind the names."""

    def leaf(path: Path) -> str:
        answer = _system(path)
        if answer is None:
            return "?"
        return {"~": "?", "!": "!", "$": "$"}.get(answer, "$")

    def node(tree: NameTree[Path], parts: Sequence[str]) -> str:
        if isinstance(tree, Alt):
            return next((part for part in parts if part != "?"), "?")
        if isinstance(tree, Union):
            return "$" if "$" in parts else "?"
        return {"~": "?", "!": "!", "$": "$"}[str(tree)]

    return fold(tree, leaf, node) != "?"


def _system(path: Path) -> str | None:
    """What a system namer says of a path whatever follows it: a constant, `bound`, or nothing."""
    match path.labels:
        case (b"$", b"nil", *_):
            return "$"
        case (b"$", b"fail", *_):
            return "!"
        case (b"$", b"inet" | b"fixedinet", _, port, *_) if port.isdigit():
            return "bound"
        case _:
            return None


def _shadowed(entry: Dentry, above: Sequence[Dentry]) -> Iterator[Finding]:
    """A later, wider prefix: order decides, not length, which people expect least."""
    for other in above:
        if other.prefix == entry.prefix or decides(other.dst):
            continue
        kind = "the wildcard" if other.prefix.stars else "the wider"
        yield Finding(
            "shadow",
            entry.place,
            f"{kind} {other.prefix}{_at(other)} is tried before {entry.prefix}; a later dentry "
            "wins, however short its prefix",
            f"move {other.prefix} above {entry.prefix} if that is not meant",
        )
        return


def _idle(entry: Dentry) -> Iterator[Finding]:
    if isinstance(entry.dst, Neg):
        yield Finding(
            "idle",
            entry.place,
            f"{entry.prefix} => ~ blocks nothing: earlier dentries and namers are still asked",
            "write ! to block the name, or remove the dentry",
        )


def _dead_ends(entry: Dentry, heads: "_Heads") -> Iterator[Finding]:
    """Leafs that no dentry, namer or system namer answers."""
    dead = [path for path in leafs(entry.dst) if not _leads_somewhere(path, heads)]
    names = list(leafs(entry.dst))
    for path in dict.fromkeys(dead):
        whole = len(dead) == len(names) and not _has_constant(entry.dst)
        unknown = path.labels[:1] == SYSTEM.labels and len(path.labels) > 1
        what = "no system namer has this name" if unknown else "no dentry and no namer answers it"
        yield Finding(
            "never-binds",
            entry.place,
            f"{path} can never bind: {what}"
            + (f", so {entry.prefix} can never bind" if whole and len(names) > 1 else ""),
            "write the system namer's full name"
            if unknown
            else f"add a dentry for {path}, or write the namer's prefix, such as /#/io.l5d.fs",
        )


def _has_constant(tree: NameTree[Path]) -> bool:
    def node(tree: NameTree[Path], parts: Sequence[bool]) -> bool:
        return any(parts) or isinstance(tree, Empty | Fail)

    return fold(tree, lambda _: False, node)


def _leads_somewhere(path: Path, heads: "_Heads") -> bool:
    if path.starts_with(NAMERS) or not path.labels:
        return True
    if path.labels[0] == b"$":
        return _known_system_name(path)
    return heads.agree(path)


class _Heads:
    """Which paths, with labels put behind them, some dentry of the table would match."""

    def __init__(self, table: Dtab) -> None:
        self._table: Final = table
        self._by_length: Final[dict[int, Dtab]] = {}

    def agree(self, path: Path) -> bool:
        """Whether a prefix, cut to the length of the path, matches it."""
        length = len(path)
        heads = self._by_length.get(length)
        if heads is None:
            cut = {Prefix(entry.prefix.elems[:length]) for entry in self._table}
            heads = self._by_length[length] = Dtab(Dentry(prefix, NEG) for prefix in cut)
        return bool(heads.matches(path))


class _NoResolver:
    def watch(self, host: str, port: int, *, fixed: bool = False) -> Watch[Addr]:
        del host, port, fixed
        return Always(PENDING)


def _known_system_name(path: Path) -> bool:
    known = {"inet", "fixedinet", "nil", "fail", RINET, STATUS, GLOBAL, *REWRITERS}
    if len(path.labels) < 2:  # noqa: PLR2004 - /$ and a name
        return True
    kind = path.labels[1].decode("utf-8", "replace")
    if kind not in known:
        return False
    if kind in ("inet", "fixedinet") and len(path.labels) > 3:  # noqa: PLR2004 - host and port are there
        state = SystemNamers(_NoResolver()).lookup(path.drop(1)).state
        return not (isinstance(state, Failed) and isinstance(state.error, UnknownNamer))
    return True


def _loops(table: Dtab) -> Iterator[Finding]:
    """Names that come back to a dentry they have passed, no shorter than they were."""
    told: set[frozenset[int]] = set()
    budget = [LOOP_STEPS_MAX]
    for entry in table:
        for trail in _trails(_sample(entry.prefix), table, budget):
            members = frozenset(map(id, trail))
            if trail[0] is not entry or members in told:
                continue
            told.add(members)
            way = " -> ".join([*(str(step.prefix) for step in trail), str(entry.prefix)])
            yield Finding(
                "cycle",
                entry.place,
                f"names loop: {way}",
                "let one of these dentries lead to a namer, such as /#/io.l5d.fs",
            )


def _trails(start: Path, table: Dtab, budget: list[int]) -> Iterator[tuple[Dentry, ...]]:
    """The loops that a path runs into, as far as the budget of steps goes."""
    seen: set[Path] = {start}
    stack: list[tuple[Path, tuple[tuple[Dentry, int], ...]]] = [(start, ())]
    while stack and budget[0]:
        budget[0] -= 1
        path, trail = stack.pop()
        for entry in table.matches(path):
            before = [n for n, (passed, _) in enumerate(trail) if passed is entry]
            if before and len(path) >= trail[before[0]][1]:
                yield tuple(passed for passed, _ in trail[before[0] :])
                continue
            if before:
                continue
            for target in leafs(entry.dst):
                onward = target + path.drop(len(entry.prefix))
                if onward not in seen or onward == start:
                    seen.add(onward)
                    stack.append((onward, (*trail, (entry, len(path)))))
