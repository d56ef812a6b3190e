"""The printer: canonical text, and the aligned form that people read."""

from dtab.dentry import Dentry, Dtab
from dtab.path import Path, Prefix
from dtab.tree import NameTree


def show(value: Path | Prefix | NameTree[Path] | Dentry | Dtab) -> str:
    """Canonical text. Reading it gives an equal value, but for weights: they keep two decimals."""
    return str(value)


def show_aligned(table: Dtab) -> str:
    """One dentry a line, prefixes padded to the longest one, ` ;` behind each.

    Source: the form that `namerctl dtab get` prints.
    """
    prefixes = [str(entry.prefix) for entry in table]
    width = max(map(len, prefixes), default=0)
    return "".join(
        [
            f"{prefix:<{width}}  => {entry.dst} ;\n"
            for prefix, entry in zip(prefixes, table, strict=True)
        ]
    )
