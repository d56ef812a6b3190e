"""The rewriting namer: a pattern with captures, and the name they are put into."""

import re
from typing import Final

from dtab import NEG, DtabSyntaxError, Leaf, NameTree, Path, read_path
from dtab.path import show_label
from naming.errors import InvalidName, NamingError
from naming.namer import Name
from naming.state import Ok
from naming.watch import Always, Watch

# The characters that the original's pattern allows in a key: letters, digits and the ASCII
# range from `:` to `_`.
_KEY: Final = re.compile(r"\{([A-Za-z0-9:-_]+)\}")
# Its pattern is no regular expression once such a key is in it.
_DOTTED_KEY: Final = re.compile(r"\{[A-Za-z0-9:-_]*\.[A-Za-z0-9:-_.]*\}")


class InvalidPattern(NamingError):
    """A pattern that is no regular expression once its keys are groups."""


class RewriteNamer:
    """`io.l5d.rewrite`: a path that agrees with the pattern becomes the name.

    Shape: the pattern is compared label by label with the printed form of the path; what the
    path has more is lost. A segment with keys is searched for in its label, not anchored.
    Source: linkerd 1.7.5, quirks 11 and 12 of the reference included.
    """

    def __init__(self, prefix: Path, pattern: str, name: str) -> None:
        self._prefix: Final = prefix
        self._name: Final = name
        self._segments: Final = [
            _Segment(text) for text in pattern.lstrip("/").split("/") if text or "/" in pattern[1:]
        ]

    @property
    def prefix(self) -> Path:
        """Where this namer is asked."""
        return self._prefix

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        """The rewritten name, or neg. Raises: InvalidName for a result that is no path."""
        labels = [show_label(label) for label in path.labels]
        captured: dict[str, str] = {}
        for at, segment in enumerate(self._segments):
            if at == len(labels):
                if segment.text == "*":
                    raise InvalidName(f"{path} ends before the * of the pattern")
                return Always(Ok(NEG))
            found = segment.captures(labels[at])
            if found is None:
                return Always(Ok(NEG))
            captured |= found
        name = self._name
        for key, text in captured.items():
            name = name.replace(f"{{{key}}}", text)
        try:
            return Always(Ok(Leaf(read_path(name))))
        except DtabSyntaxError as error:
            raise InvalidName(str(error)) from error


class _Segment:
    """One segment of a pattern: a star, plain text, or text with keys."""

    __slots__ = ("keys", "pattern", "text")

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.keys: Final[list[str]] = _KEY.findall(text)
        self.pattern: re.Pattern[str] | None = None
        if _DOTTED_KEY.search(text):
            raise InvalidPattern(f"a key of {text} holds a dot")
        if self.keys:
            expression = _KEY.sub("(.*)", text.replace(".", "\\."))
            try:
                self.pattern = re.compile(expression)
            except re.error as error:
                raise InvalidPattern(f"{text} is no pattern: {error}") from error

    def captures(self, label: str) -> dict[str, str] | None:
        """The text of each key, nothing for a star, or None if the label does not agree."""
        if self.pattern is not None:
            found = self.pattern.search(label)
            return None if found is None else dict(zip(self.keys, found.groups(), strict=False))
        return {} if self.text in ("*", label) else None
