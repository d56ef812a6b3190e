"""The one error of reading: what was wanted, what was met, and where."""

from typing import Final


class DtabSyntaxError(ValueError):
    """Text that is no path, prefix, tree or dtab.

    Shape: `expected` is the reader's word for what it wanted; `found` is the character it met,
    or None at the end of the text; `at` counts code points before the place.
    Source: the message is the one that Finagle's reader gives, which clients know.
    """

    def __init__(self, expected: str, found: str | None, at: int, text: str) -> None:
        super().__init__(expected, found, at, text)
        self.expected: Final = expected
        self.found: Final = found
        self.at: Final = at
        self.text: Final = text

    @property
    def what(self) -> str:
        """The message without the text."""
        met = "end of input" if self.found is None else f"'{self.found}'"
        return f"{self.expected} expected but {met} found"

    @property
    def line(self) -> int:
        """The line of the place, from 1."""
        return self.text.count("\n", 0, self.at) + 1

    @property
    def col(self) -> int:
        """The column of the place, from 1, in code points."""
        return self.at - (self.text.rfind("\n", 0, self.at) + 1) + 1

    def __str__(self) -> str:
        before, after = self.text[: self.at], self.text[self.at + 1 :]
        return f"{self.what} at '{before}[{self.text[self.at : self.at + 1]}]{after}'"

    def display(self, file: str = "") -> str:
        """The message with its place, the line it is in, and a caret below the place."""
        where = f"{file}:{self.line}:{self.col}" if file else f"{self.line}:{self.col}"
        start = self.at - self.col + 1
        end = self.text.find("\n", start)
        line = self.text[start : len(self.text) if end < 0 else end]
        # Tabs are kept in the margin, so that the caret stands right however wide they show.
        margin = "".join(["\t" if char == "\t" else " " for char in line[: self.col - 1]])
        return f"{where}: {self.what}\n  {line}\n  {margin}^"


class WeightError(DtabSyntaxError):
    """Digits that start a weight and are no number: decimal digits outside ASCII.

    Source: the original lets its number reader fail, which says nothing of the place.
    """

    def __init__(self, digits: str, at: int, text: str) -> None:
        super().__init__("number", digits[:1], at, text)
        self.digits: Final = digits

    def __reduce__(self) -> tuple[type["WeightError"], tuple[str, int, str]]:
        return WeightError, (self.digits, self.at, self.text)

    @property
    def what(self) -> str:
        """The message without the text."""
        return str(self)

    def __str__(self) -> str:
        return f'For input string: "{self.digits}"'
