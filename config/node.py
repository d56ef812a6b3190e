"""A document as it stands in its text: scalars, mappings and sequences, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from config.problem import Place, Problem

# Far beyond what is written by hand, and little enough that a document at every bound at once is
# read and refused within four seconds (measured).
BYTES_MAX: Final = 1_048_576
DEPTH_MAX: Final = 64
NODES_MAX: Final = 100_000
ALIASES_MAX: Final = 1_000

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. A plain one (YAML, no quotes) is resolved again once variables are expanded."""

    value: str | int | float | bool | None
    place: Place
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """Pairs in the order of the text, repeated keys included."""

    pairs: tuple[tuple[Scalar, Node], ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items in the order of the text."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Alias:
    """A YAML `*name`: the anchored node once more, at the place of the alias."""

    target: Node
    place: Place


Node: TypeAlias = Scalar | Mapping | Sequence | Alias


class SyntaxFault(Exception):
    """The text is no document at all, so nothing further can be said about it."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(problems)
