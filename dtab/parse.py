"""The reader: text to paths, prefixes, trees and tables.

Each function reads one whole text, blanks and comments around it included, and raises
DtabSyntaxError at the first thing that is wrong. Nothing recurses, and nothing is read twice:
the time is linear in the text.
"""

import re
from typing import Final, NoReturn

from dtab.dentry import Dentry, Dtab, Place
from dtab.path import STAR, Path, Prefix, Wildcard
from dtab.syntax import DtabSyntaxError, WeightError
from dtab.tree import EMPTY, FAIL, NEG, Alt, Leaf, NameTree, Union, Weighted

# How many parentheses may stand open. The reader does not recurse, so this bounds the nesting
# that others must walk, not our stack; the original stops at some thousands by overflowing.
NESTING_MAX: Final = 4_000

# Java's Character.isWhitespace, which leaves out the no-break spaces and U+0085.
_BLANK: Final = r"\t-\r\x1c-\x20\u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000"
_WS: Final = rf"(?:[{_BLANK}]|\#[^\n]*+(?:\n|\Z))*+"
_LABEL: Final = r"(?:[0-9A-Za-z_:.\#$%-]|\\x[0-9A-Fa-f]{2})++"
_PATH: Final = rf"/(?:{_LABEL}(?:/{_LABEL})*+)?+"
_ELEM: Final = rf"(?:\*|{_LABEL})"
_PREFIX: Final = rf"/(?:{_ELEM}(?:/{_ELEM})*+)?+"

WS: Final = re.compile(_WS)
PATH: Final = re.compile(_PATH)
PREFIX: Final = re.compile(_PREFIX)
# Nearly every dentry is this simple: a prefix, an arrow, one path, a semicolon or the end.
SIMPLE: Final = re.compile(rf"({_PREFIX}){_WS}=>{_WS}({_PATH}){_WS}(?:;{_WS}|\Z)")
# Decimal digits of the basic plane: what the original, which sees UTF-16, takes for a digit.
DIGITS: Final = re.compile(r"(?:(?![\U00010000-\U0010ffff])[\d.])+")
NUMBER: Final = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
# A # within a path is a label's; any other begins a comment.
_WORD_OR_COMMENT: Final = re.compile(rf"{_PREFIX}|\#[^\n]*+")
_ESCAPE: Final = re.compile(r"\\x([0-9A-Fa-f]{2})")

_CONSTANTS: Final[dict[str, NameTree[Path]]] = {"~": NEG, "!": FAIL, "$": EMPTY}


def read_path(text: str) -> Path:
    """The path that the text holds. Raises: DtabSyntaxError."""
    reader = _Reader(text)
    reader.blanks()
    path = reader.path()
    reader.end()
    return path


def read_prefix(text: str) -> Prefix:
    """The prefix that the text holds. Raises: DtabSyntaxError."""
    reader = _Reader(text)
    reader.blanks()
    prefix = reader.prefix()
    reader.end()
    return prefix


def read_tree(text: str) -> NameTree[Path]:
    """The name tree of paths that the text holds. Raises: DtabSyntaxError."""
    reader = _Reader(text)
    tree = reader.tree()
    reader.end()
    return tree


def read_dtab(text: str, file: str = "") -> Dtab:
    """The table that the text holds; each dentry knows its line and column, and the file given.

    Raises: DtabSyntaxError.
    """
    return Dtab(_Reader(text).dentries(file))


def read_comments(text: str) -> list[tuple[int, str]]:
    """The comments of a text that reads as a table: where each starts, and its own text."""
    return [
        (found.start(), found[0].rstrip())
        for found in _WORD_OR_COMMENT.finditer(text)
        if found[0].startswith("#")
    ]


class _Reader:
    """A text and how far it has been read."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.at = 0

    def blanks(self) -> str:
        """Skip blanks and comments; the character behind them, or nothing at the end."""
        found = WS.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return self.text[self.at : self.at + 1]

    def fail(self, expected: str, at: int) -> NoReturn:
        found = self.text[at] if at < len(self.text) else None
        raise DtabSyntaxError(expected, found, at, self.text)

    def end(self) -> None:
        if self.blanks():
            self.fail("end of input", self.at)

    def path(self) -> Path:
        found = PATH.match(self.text, self.at)
        if found is None:
            self.fail("'/'", self.at)
        self._after(found.end(), root=found.end() == self.at + 1)
        self.at = found.end()
        return Path(_labels(found[0]))

    def prefix(self) -> Prefix:
        found = PREFIX.match(self.text, self.at)
        if found is None:
            self.fail("'/'", self.at)
        self._after(found.end(), root=found.end() == self.at + 1)
        self.at = found.end()
        return Prefix(_elems(found[0]))

    def _after(self, end: int, *, root: bool) -> None:
        """Refuse what would have gone on as a label: a slash or a broken escape."""
        text = self.text
        if text[end : end + 1] == "/" and not root:
            end += 1
            if text[end : end + 1] != "\\":
                self.fail("label char", end)
        if text[end : end + 1] == "\\":
            # A backslash behind a lone star starts no label; the star has ended the element.
            if text[end - 1] == "*":
                return
            if text[end + 1 : end + 2] != "x":
                self.fail("'x'", end + 1)
            first_is_hex = text[end + 2 : end + 3] in _HEX
            self.fail("hex char", end + 3 if first_is_hex else end + 2)

    def tree(self) -> NameTree[Path]:
        """A tree, with a stack of our own for the open parentheses."""
        opened: list[tuple[list[NameTree[Path]], list[Weighted[Path]], float]] = []
        alts: list[NameTree[Path]] = []
        union: list[Weighted[Path]] = []
        while True:
            weight = self._weight()
            char = self.blanks()
            if char == "(":
                if len(opened) == NESTING_MAX:
                    self.fail(f"at most {NESTING_MAX} open parentheses", self.at)
                opened.append((alts, union, weight))
                alts, union = [], []
                self.at += 1
                continue
            node = self._simple(char)
            while True:
                union.append(Weighted(weight, node))
                char = self.blanks()
                if char == "&":
                    break
                alts.append(union[0].tree if len(union) == 1 else Union(tuple(union)))
                union = []
                if char == "|":
                    break
                # One operand alone yields no node, and its weight is lost with it.
                node = alts[0] if len(alts) == 1 else Alt(tuple(alts))
                if not opened:
                    return node
                if char != ")":
                    self.fail("')'", self.at)
                self.at += 1
                alts, union, weight = opened.pop()
            self.at += 1

    def _simple(self, char: str) -> NameTree[Path]:
        if char == "/":
            return Leaf(self.path())
        constant = _CONSTANTS.get(char)
        if constant is None:
            self.fail("simple", self.at)
        self.at += 1
        return constant

    def _weight(self) -> float:
        """The number and star before an operand, or 1."""
        self.blanks()
        start = self.at
        found = DIGITS.match(self.text, start)
        if found is None:
            return 1.0
        digits = found[0]
        second_dot = digits.find(".", digits.find(".") + 1) if digits.count(".") > 1 else -1
        if second_dot >= 0:
            self.fail("number char", start + second_dot)
        self.at = found.end()
        if digits == ".":
            # The original has stepped over the dot when it complains.
            raise DtabSyntaxError("weight", ".", self.at, self.text)
        if NUMBER.fullmatch(digits) is None:
            raise WeightError(digits, start, self.text)
        if self.blanks() != "*":
            self.fail("'*'", self.at)
        self.at += 1
        return float(digits)

    def dentries(self, file: str) -> list[Dentry]:
        text, size = self.text, len(self.text)
        entries: list[Dentry] = []
        line, line_start, seen = 1, 0, 0
        self.blanks()
        while self.at < size:
            start = self.at
            if (breaks := text.count("\n", seen, start)) > 0:
                line += breaks
                line_start = text.rfind("\n", seen, start) + 1
            seen = start
            place = Place(line, start - line_start + 1, file)
            found = SIMPLE.match(text, start)
            if found is not None:
                self.at = found.end()
                prefix, dst = found.groups()
                entry = Dentry(Prefix(_elems(prefix)), Leaf(Path(_labels(dst))), place)
                entries.append(entry)
                continue
            entries.append(self._dentry(place))
            if self.blanks() != ";":
                break
            self.at += 1
            self.blanks()
        self.end()
        return entries

    def _dentry(self, place: Place) -> Dentry:
        prefix = self.prefix()
        if self.blanks() != "=":
            self.fail("'='", self.at)
        self.at += 1
        if self.text[self.at : self.at + 1] != ">":
            self.fail("'>'", self.at)
        self.at += 1
        return Dentry(prefix, self.tree(), place)


_HEX: Final = frozenset("0123456789abcdefABCDEF")


def _labels(text: str) -> tuple[bytes, ...]:
    """The labels of a text that the path pattern has accepted."""
    if text == "/":
        return ()
    if "\\" not in text:
        return tuple(text[1:].encode("ascii").split(b"/"))
    return tuple([_unescape(label) for label in text[1:].split("/")])


def _elems(text: str) -> tuple[bytes | Wildcard, ...]:
    """The elements of a text that the prefix pattern has accepted."""
    if "*" not in text:
        return _labels(text)
    return tuple([STAR if elem == "*" else _unescape(elem) for elem in text[1:].split("/")])


def _unescape(label: str) -> bytes:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), label).encode("latin-1")
