"""A part of a long list. Pure."""

from collections.abc import Mapping
from typing import Final, NamedTuple

ROWS_MAX: Final = 1_000  # of one page; a browser stays quick with that many
_DIGITS_MAX: Final = 9


class Part(NamedTuple):
    """The rows from `start` up to `end`, of so many."""

    start: int
    total: int

    @property
    def end(self) -> int:
        """The first row that is not shown."""
        return min(self.start + ROWS_MAX, self.total)

    @property
    def before(self) -> int:
        """Where the part before begins."""
        return max(self.start - ROWS_MAX, 0)

    @property
    def last(self) -> int:
        """Where the last part begins."""
        return (self.total - 1) // ROWS_MAX * ROWS_MAX


def part_from(args: Mapping[str, str], total: int) -> Part:
    """The part that begins at the row `from`, or at the nearest that there is."""
    text = args.get("from", "")
    first = int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX else 0
    return Part(min(first, max(total - 1, 0)), total)


def part_with(at: int, total: int) -> Part:
    """The part that has a row."""
    return Part(at // ROWS_MAX * ROWS_MAX, total)
