"""Bound names: the ends of delegation."""

from dataclasses import dataclass, field

from dtab import ROOT, Path
from naming.endpoint import Addr
from naming.watch import Watch


@dataclass(frozen=True, slots=True)
class Bound:
    """A client name, the addresses behind it, and the labels that no namer used.

    Shape: equal by id alone, so a set of bound names holds each id once. The id is a path that
    binds to the same thing again.
    """

    id: Path
    residual: Path = field(default=ROOT, compare=False)
    addr: Watch[Addr] = field(compare=False, kw_only=True, repr=False)

    def __str__(self) -> str:
        return f"<{self.id}|{self.residual}>"
