"""JSON text as nodes with places (RFC 8259); the standard library's decoder keeps no places."""

from __future__ import annotations

import re
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Final

from config.node import DEPTH_MAX, Mapping, Node, Scalar, Sequence, SyntaxFault
from config.problem import Place, Text
from config.scalar import DIGITS_MAX

BLANK: Final = re.compile(r"[ \t\r\n]*")
NUMBER: Final = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_HINT: Final = "a document that begins with { is read as JSON"


def read_json(text: Text) -> Node:
    """Read one JSON document. Raises: SyntaxFault."""
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: Text) -> None:
        self._source = text
        self._text = text.text
        self._at = 0
        self._line, self._line_start = 1, 0  # of the last place asked for; places only grow

    def document(self) -> Node:
        node = self._value(0)
        self._skip()
        if self._at < len(self._text):
            raise self._fault("nothing may follow the document")
        return node

    def _skip(self) -> str:
        blank = BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._text[self._at : self._at + 1]

    def _value(self, depth: int) -> Node:
        if depth > DEPTH_MAX:
            raise self._fault(f"nested deeper than {DEPTH_MAX} levels")
        first = self._skip()
        if first == "{":
            return self._object(depth)
        if first == "[":
            return self._array(depth)
        if first == '"':
            return self._string("a value")
        for word, meaning in WORDS.items():
            if self._text.startswith(word, self._at):
                return self._scalar(len(word), meaning)
        number = NUMBER.match(self._text, self._at)
        if number is None:
            raise self._fault("wanted a value")
        if len(number[0]) > DIGITS_MAX:
            raise self._fault("a number of more than forty characters")
        whole = number[2] is None and number[3] is None
        return self._scalar(len(number[0]), int(number[0]) if whole else float(number[0]))

    def _object(self, depth: int) -> Mapping:
        place = self._place()
        pairs: list[tuple[Scalar, Node]] = []
        self._at += 1
        if self._skip() == "}":
            self._at += 1
            return Mapping((), place)
        while True:
            self._skip()
            key = self._string("a key in double quotes")
            if self._skip() != ":":
                raise self._fault("wanted ':'")
            self._at += 1
            pairs.append((key, self._value(depth + 1)))
            if self._ended("}"):
                return Mapping(tuple(pairs), place)

    def _array(self, depth: int) -> Sequence:
        place = self._place()
        items: list[Node] = []
        self._at += 1
        if self._skip() == "]":
            self._at += 1
            return Sequence((), place)
        while True:
            items.append(self._value(depth + 1))
            if self._ended("]"):
                return Sequence(tuple(items), place)

    def _ended(self, close: str) -> bool:
        mark = self._skip()
        if mark not in (",", close) or not mark:
            raise self._fault(f"wanted ',' or '{close}'")
        self._at += 1
        return mark == close

    def _string(self, wanted: str) -> Scalar:
        if self._text[self._at : self._at + 1] != '"':
            raise self._fault(f"wanted {wanted}")
        try:
            value, end = scanstring(self._text, self._at + 1, True)  # noqa: FBT003 - C function
        except JSONDecodeError as error:
            self._at = min(error.pos, len(self._text))
            raise self._fault(error.msg[:1].lower() + error.msg[1:]) from None
        return self._scalar(end - self._at, value)

    def _scalar(self, width: int, value: str | float | bool | None) -> Scalar:  # noqa: FBT001
        node = Scalar(value, self._place(width))
        self._at += width
        return node

    def _place(self, width: int = 1) -> Place:
        while (end := self._text.find("\n", self._line_start, self._at)) >= 0:
            self._line += 1
            self._line_start = end + 1
        return Place(self._line, self._at - self._line_start + 1, width)

    def _fault(self, message: str) -> SyntaxFault:
        if self._text.rfind("\n", 0, self._at) + 1 < self._line_start:
            self._line, self._line_start = 1, 0
        return SyntaxFault(self._source.problem(self._place(), f"no JSON: {message}", hint=_HINT))
