"""A table's version: what spans, pages and commands call it by."""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from dtab.dentry import Dtab
from dtab.show import show

_KEPT: Final = 1_024


@lru_cache(_KEPT)
def version(table: Dtab) -> str:
    """8 hex digits that the same text always has: the first of the SHA-256 of `show(table)`."""
    return sha256(show(table).encode()).hexdigest()[:8]
