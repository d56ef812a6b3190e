"""The port that service discovery plugs into."""

from typing import Protocol, TypeAlias

from dtab import NameTree, Path
from naming.bound import Bound
from naming.watch import Watch

Name: TypeAlias = Path | Bound


class Namer(Protocol):
    """Answers a path with a name tree whose leafs are paths or bound names.

    A namer hands out the same watch for the same path while that watch is in use, so that all
    bindings of a name see one change once. Its table of watches is bounded.
    """

    @property
    def prefix(self) -> Path:
        """The names that this namer is asked for, such as `/#/io.l5d.fs`."""
        ...

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        """The newest answer for a path less the prefix.

        Shape: neg for what it does not know; a path too short for the namer is neg too.
        Raises: NamingError, which breaks the tree that the name stood in. A failed state fails
        only the name.
        """
        ...
