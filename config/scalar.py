"""What an unquoted YAML scalar means.

Source: YAML 1.2.2, 10.3.2 (core schema). YAML 1.1's yes/no/on/off, base-60 numbers, dates and
underscored numbers are plain text here: a country code NO stays NO.
"""

from __future__ import annotations

import re
from typing import Final

NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEAN: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER: Final = re.compile(r"[-+]?[0-9]+")
OCTAL: Final = re.compile(r"0o[0-7]+")
HEX: Final = re.compile(r"0x[0-9a-fA-F]+")
FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
SPECIAL: Final = re.compile(r"(?P<sign>[-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# 2**64 has 20 digits; int() of a much longer run costs quadratic time and refuses 4,300 digits.
DIGITS_MAX: Final = 40


def resolve(text: str) -> str | int | float | bool | None:
    """Read a plain scalar. A number of more than DIGITS_MAX characters stays text."""
    if text in NULL:
        return None
    if text in BOOLEAN:
        return BOOLEAN[text]
    if len(text) > DIGITS_MAX or text[0] not in "+-.0123456789":
        return text
    if INTEGER.fullmatch(text):
        return int(text)
    if OCTAL.fullmatch(text):
        return int(text, 0)
    if HEX.fullmatch(text):
        return int(text, 0)
    if FLOAT.fullmatch(text):
        return float(text)
    if special := SPECIAL.fullmatch(text):
        return float(special["sign"] + "inf") if special["sign"] is not None else float("nan")
    return text
