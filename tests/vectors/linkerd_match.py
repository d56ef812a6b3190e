"""Matching of expectations with placeholders, across one case."""

import base64
import re
import struct
import time
from collections.abc import Mapping
from typing import Any, Final

_PLACEHOLDER: Final = re.compile(r"\{\{([^}]*)\}\}")
_PORT: Final = re.compile(r"\{\{port:([^}]+)\}\}")
_CLOCK_SLACK_S: Final = 60.0
# Where two timeouts meet, the stamp is the later one's and the deadline the earlier one's: the
# recorded difference is then short by the time between the two.
_SUM_SLACK_NS: Final = 10_000_000

_PATTERNS: Final = {
    "port:any": "[0-9]{1,5}",
    "port:client": "[0-9]{1,5}",
    "trace": "[A-Za-z0-9+/]{43,54}={0,2}",
    "label6": "_[A-Za-z0-9]{6}",
    "N": "[0-9]+",
    "body_length": "[0-9]+",
    "now_ms": "[0-9]{13}",
    "addresses": r"\[[0-9.:]*\]",
}


def with_ports(text: str, ports: Mapping[str, int]) -> str:
    """The text with the harness's ports in place; `any` and `client` stay placeholders."""

    def port(found: re.Match[str]) -> str:
        number = ports.get(found[1])
        return found[0] if number is None else str(number)

    return _PORT.sub(port, text)


class Matcher:
    """What the placeholders of one case stand for, as far as they were met.

    A letter is one value; other letters are other values, and none is a value written out.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._ids: dict[str, str] = {}
        self._now_ns: int | None = None

    def fits(self, want: str, got: str, *, body_length: int | None = None) -> bool:
        """Whether the text agrees with the expectation; letters are bound only if it does."""
        parts = _PLACEHOLDER.split(with_ports(want, self._ports))
        names = parts[1::2]
        pattern = re.escape(parts[0])
        for name, text in zip(names, parts[2::2], strict=True):
            pattern += f"({_pattern(name)})" + re.escape(text)
        found = re.fullmatch(pattern, got, re.DOTALL)
        if found is None:
            return False
        before, now_ns = dict(self._ids), self._now_ns
        values = zip(names, found.groups(), strict=True)
        if all(self._agrees(name, value, body_length) for name, value in values):
            return True
        self._ids, self._now_ns = before, now_ns
        return False

    def _agrees(self, name: str, value: str, body_length: int | None) -> bool:
        if name.startswith("id:"):
            if name in self._ids:
                return self._ids[name] == value
            if value in self._ids.values():
                return False
            self._ids[name] = value
        elif name == "port:client":
            return value == str(self._ports["client"])
        elif name == "body_length":
            return body_length is None or value == str(body_length)
        elif name == "now_ms":
            return abs(int(value) / 1e3 - time.time_ns() / 1e9) < _CLOCK_SLACK_S
        elif name == "now_ns":
            self._now_ns = int(value)
            return abs(int(value) / 1e9 - time.time_ns() / 1e9) < _CLOCK_SLACK_S
        elif name.startswith("now_ns+"):
            more_ms = int(name.removeprefix("now_ns+").removesuffix("ms"))
            if self._now_ns is None:
                return False
            return abs(int(value) - self._now_ns - more_ms * 1_000_000) <= _SUM_SLACK_NS
        return True


def _pattern(name: str) -> str:
    if name.startswith("id:"):
        return "[0-9a-f]{16}"
    if name.startswith("now_ns"):
        return "[0-9]{19}"
    return _PATTERNS[name]


def read_trace(value: str) -> dict[str, Any]:
    """The fields of an l5d-ctx-trace value. Raises: ValueError, struct.error."""
    raw = base64.b64decode(value, validate=True)
    span, parent, trace, flags = struct.unpack(">QQQQ", raw[:32])
    fields = {
        "bytes": len(raw),
        "span": f"{span:016x}",
        "parent": f"{parent:016x}",
        "trace": f"{trace:016x}",
        "flags": flags,
    }
    if len(raw) > 32:
        fields["trace_high"] = raw[32:].hex()
    return fields
