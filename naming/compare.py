"""What a change of table would do: which names move where, with which shares."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dtab import NEG, Dtab, Leaf, NameTree, Path
from naming.bind import bind
from naming.bound import Bound
from naming.endpoint import Addr
from naming.namer import Name, Namer
from naming.shares import Target, shares
from naming.state import PENDING, Failed, Ok, Pending
from naming.watch import Always, Watch

_UNKNOWN: Watch[Addr] = Always(PENDING)


class AnyName:
    """A namer that stands for all namers below `/#`: it binds whatever it is asked for.

    A comparison of tables must not hang on who is up at the moment.
    """

    prefix = Path.of("#")

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        """Bound with the whole path as id; no labels are residual."""
        if len(path) < 2:  # noqa: PLR2004 - the namer's own name and one that it may know
            return Always(Ok(NEG))
        return Always(Ok(Leaf(Bound(self.prefix + path, addr=_UNKNOWN))))


@dataclass(frozen=True, slots=True)
class Way:
    """Where a name goes: shares by target, or why nowhere."""

    shares: Mapping[Target | None, float]
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return self.error
        said = [f"{share:.4g} {target or 'no hosts'}" for target, share in self.shares.items()]
        return " & ".join(said) if len(said) > 1 else str(next(iter(self.shares)) or "no hosts")


@dataclass(frozen=True, slots=True)
class Move:
    """A name that goes elsewhere: before, after, and the share of its traffic that moves."""

    name: Path
    before: Way
    after: Way

    @property
    def moved(self) -> float:
        """The part of the name's traffic that ends elsewhere, from 0 to 1."""
        if self.before.error or self.after.error:
            return float(self.before != self.after)
        kept = sum(
            min(share, self.after.shares.get(target, 0.0))
            for target, share in self.before.shares.items()
        )
        return max(0.0, 1.0 - kept)


def way(name: Path, table: Dtab, namers: Sequence[Namer]) -> Way:
    """Where the name goes by this table."""
    state = bind(name, table, namers).state
    match state:
        case Ok(tree):
            return Way(shares(tree))
        case Pending():
            return Way({}, "pending")
        case Failed(error):
            return Way({}, str(error))


def moves(before: Dtab, after: Dtab, names: Iterable[Path], namers: Sequence[Namer]) -> list[Move]:
    """The names that go elsewhere, in the order given."""
    found = [Move(name, way(name, before, namers), way(name, after, namers)) for name in names]
    return [move for move in found if move.before != move.after]
