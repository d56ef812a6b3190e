"""The aligned form of a table, with its comments where they were."""

from bisect import bisect

from dtab.dentry import Dtab
from dtab.parse import read_comments, read_dtab
from dtab.show import show_aligned


class RoundedWeightError(ValueError):
    """Canonical text keeps two decimals of a weight; this table has more."""


def lay_out(text: str) -> str:
    """The table's canonical form, one aligned dentry a line.

    Shape: a comment on a line of its own stays before the dentry that it was before; one behind
    a dentry stays behind it.
    Raises: DtabSyntaxError; RoundedWeightError where the form would change a weight.
    """
    table = read_dtab(text)
    laid_out = show_aligned(table).splitlines()
    if read_dtab("".join(laid_out)) != table:
        raise RoundedWeightError("a weight has more than two decimals, which this form would round")
    before, behind, last = _comments(text, table)
    lines: list[str] = []
    for number, line in enumerate(laid_out):
        lines += before.get(number, [])
        lines.append(" ".join([line, *behind.get(number, [])]))
    return "".join(f"{line}\n" for line in [*lines, *last])


def _comments(
    text: str, table: Dtab
) -> tuple[dict[int, list[str]], dict[int, list[str]], list[str]]:
    """Comments by the number of the dentry that they stand before or behind, and the last ones."""
    starts = [(entry.place.line, entry.place.col) for entry in table if entry.place is not None]
    before: dict[int, list[str]] = {}
    behind: dict[int, list[str]] = {}
    last: list[str] = []
    for at, comment in read_comments(text):
        line = text.count("\n", 0, at) + 1
        line_start = text.rfind("\n", 0, at) + 1
        here = (line, at - line_start + 1)
        following = bisect(starts, here)
        if text[line_start:at].strip() and following:
            behind.setdefault(following - 1, []).append(comment)
        elif following < len(starts):
            before.setdefault(following, []).append(comment)
        else:
            last.append(comment)
    return before, behind, last
