"""JSON as Zipkin's reader takes it: strict in its grammar, lenient about scalars.

A number where a text is wanted counts as its literal; a numeric text where an integer is wanted
is read. So numbers stay texts here until a member asks for one kind.
"""

import json
from typing import Final

from tracing import utf8
from tracing.pipeline.model import SpanError

_INT64: Final = range(-(1 << 63), 1 << 63)
_LONE_SURROGATES: Final = dict.fromkeys(range(0xD800, 0xE000), "?")


class NumberText(str):
    """The literal of a JSON number."""

    __slots__ = ()


def _refuse(name: str) -> object:
    raise SpanError(f"Malformed: {name}")


# Not strict about control characters in texts: the real server takes them.
_decoder: Final = json.JSONDecoder(
    parse_int=NumberText, parse_float=NumberText, parse_constant=_refuse, strict=False
)


def parse(body: bytes) -> object:
    """The document. Raises: SpanError("Malformed") on bad syntax or absurd depth.

    Invalid UTF-8 becomes U+FFFD. Text after the document is refused.
    """
    try:
        return _decoder.decode(utf8.text(body))
    except (ValueError, RecursionError) as error:
        raise SpanError("Malformed") from error


def members(value: object) -> dict[str, object]:
    """An object's members. Raises: SpanError."""
    if not isinstance(value, dict):
        raise SpanError("Malformed")
    return value


def items(value: object) -> list[object]:
    """A list's items; null is an empty one. Raises: SpanError."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise SpanError("Malformed")
    return value


def text(value: object, name: str) -> str:
    """A string, or a number's literal; a lone surrogate becomes "?". Raises: SpanError."""
    if not isinstance(value, str):
        raise SpanError(f"Expected a string but was {_kind(value)} at {name}")
    value = str(value)
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.translate(_LONE_SURROGATES)
    return value


def text_or_none(value: object, name: str) -> str | None:
    """As text, null allowed."""
    return None if value is None else text(value, name)


def integer(value: object, name: str) -> int:
    """A 64-bit integer: 5, 5.0, 1.5e3 or "5". Raises: SpanError."""
    if isinstance(value, str):
        number = _whole(value)
        if number is not None and number in _INT64:
            return number
    raise SpanError(f"Expected a long but was {_kind(value)} at {name}")


def integer_or_none(value: object, name: str) -> int | None:
    """As integer, null allowed."""
    return None if value is None else integer(value, name)


def boolean_or_none(value: object, name: str) -> bool | None:
    """True, false or null. Raises: SpanError."""
    if value is None or isinstance(value, bool):
        return value
    raise SpanError(f"Expected a boolean but was {_kind(value)} at {name}")


def _whole(literal: str) -> int | None:
    if "_" in literal:  # Python's own way to write a number
        return None
    try:
        return int(literal)
    except ValueError:
        pass
    try:
        number = float(literal)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _kind(value: object) -> str:
    if isinstance(value, NumberText):
        return "NUMBER"
    names: dict[type, str] = {str: "STRING", bool: "BOOLEAN", dict: "BEGIN_OBJECT"}
    return names.get(type(value), "NULL" if value is None else "BEGIN_ARRAY")
