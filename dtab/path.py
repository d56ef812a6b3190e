"""Paths and prefixes: sequences of byte labels, and patterns over them."""

import re
from collections.abc import Callable
from enum import Enum
from typing import Final

# The bytes that a label prints as themselves: the grammar's `showable` set.
SHOWABLE: Final = re.compile(rb"[0-9A-Za-z_:.#$%-]+")


def show_label(label: bytes) -> str:
    """Canonical text of a label: as it is if all of it is showable, else every byte escaped."""
    if SHOWABLE.fullmatch(label):
        return label.decode("ascii")
    return "".join([f"\\x{byte:02x}" for byte in label])


class Path:
    """A sequence of zero or more labels; the empty one is the root `/`.

    Shape: `labels` are non-empty byte strings of any bytes; immutable, hashable.
    """

    __slots__ = ("_hash", "_text", "labels")

    labels: tuple[bytes, ...]
    _hash: int
    _text: str

    def __init__(self, labels: tuple[bytes, ...] = ()) -> None:
        _set_labels(self, labels)

    @classmethod
    def of(cls, *labels: str | bytes) -> "Path":
        """A path of the given labels; text is encoded as UTF-8.

        Raises: ValueError for an empty label.
        """
        encoded = tuple([x.encode() if isinstance(x, str) else x for x in labels])
        if b"" in encoded:
            raise ValueError("a label is never empty")
        return cls(encoded)

    def starts_with(self, other: "Path") -> bool:
        """Whether the first labels of this path are all labels of the other."""
        theirs = other.labels
        return self.labels[: len(theirs)] == theirs

    def take(self, count: int) -> "Path":
        """The first `count` labels, or the whole path if it is shorter."""
        return Path(self.labels[: max(count, 0)])

    def drop(self, count: int) -> "Path":
        """What is left without the first `count` labels, or the root."""
        return Path(self.labels[count:]) if count > 0 else self

    def __add__(self, other: "Path") -> "Path":
        if not other.labels:
            return self
        return Path(self.labels + other.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __bool__(self) -> bool:
        # Without this the root would be false, and `if path:` would mean "not the root".
        return True

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Path) and self.labels == other.labels)

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            value = hash(self.labels)
            _set_hash(self, value)
            return value

    def __str__(self) -> str:
        try:
            return self._text
        except AttributeError:
            text = "/" + "/".join([show_label(label) for label in self.labels])
            _set_text(self, text)
            return text

    def __repr__(self) -> str:
        return f"Path({str(self)!r})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a path is immutable: cannot set {name}")

    def __reduce__(self) -> tuple[type["Path"], tuple[tuple[bytes, ...]]]:
        return Path, (self.labels,)


# Slots are written through their descriptors because __setattr__ refuses; this is also the
# cheapest way in (a path is made for every step of a binding).
_slots: Final = vars(Path)
_set_labels: Final[Callable[[Path, tuple[bytes, ...]], None]] = _slots["labels"].__set__
_set_hash: Final[Callable[[Path, int], None]] = _slots["_hash"].__set__
_set_text: Final[Callable[[Path, str], None]] = _slots["_text"].__set__

ROOT: Final = Path()


class Wildcard(Enum):
    """The element `*` of a prefix: it agrees with any one label."""

    STAR = "*"

    def __repr__(self) -> str:
        return "*"


STAR: Final = Wildcard.STAR


class Prefix:
    """The left side of a dentry: labels, and `*` where any one label will do."""

    __slots__ = ("_hash", "elems", "stars")

    def __init__(self, elems: tuple[bytes | Wildcard, ...] = ()) -> None:
        self.elems: Final = elems
        # Without stars a match is one comparison of tuples.
        self.stars: Final = STAR in elems
        self._hash: Final = hash(elems)

    @classmethod
    def of(cls, *elems: str | bytes | Wildcard) -> "Prefix":
        """A prefix of the given elements; text is encoded as UTF-8 and is never a wildcard."""
        return cls(tuple([x.encode() if isinstance(x, str) else x for x in elems]))

    def matches(self, path: Path) -> bool:
        """Whether the path is at least as long and agrees with every element."""
        elems, labels = self.elems, path.labels
        if not self.stars:
            return labels[: len(elems)] == elems
        if len(elems) > len(labels):
            return False
        return all(
            elem is STAR or elem == label for elem, label in zip(elems, labels, strict=False)
        )

    def covers(self, other: "Prefix") -> bool:
        """Whether every path that the other prefix matches is matched by this one."""
        if len(self.elems) > len(other.elems):
            return False
        return all(
            mine is STAR or mine == theirs
            for mine, theirs in zip(self.elems, other.elems, strict=False)
        )

    def __len__(self) -> int:
        return len(self.elems)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Prefix) and self.elems == other.elems)

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return "/" + "/".join(
            ["*" if isinstance(elem, Wildcard) else show_label(elem) for elem in self.elems]
        )

    def __repr__(self) -> str:
        return f"Prefix({str(self)!r})"
