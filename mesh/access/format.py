"""Lines of an access log: JSON, combined, or a template. Pure.

Whatever a client or an upstream may have written is escaped, so that a line is one line and a
terminal shows it as text.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class AccessRecord(NamedTuple):
    """One request, as it ended.

    Shape: names are empty when there are none; `status` 0: the client went away first; `block` are
    the request's header lines, only when the format reads some.
    Units: `end_us` microseconds since 1970; body bytes without heads.
    """

    end_us: int
    elapsed_us: int
    client: str
    method: bytes
    target: bytes
    minor: int
    host: bytes
    status: int
    request_bytes: int
    response_bytes: int
    service: str
    client_id: str
    upstream: str
    trace_id: bytes
    rule: str
    block: bytes


COMBINED: Final = (
    '{client} - - [{clf_time}] "{method} {target} HTTP/1.{minor}" {status} {clf_bytes} '
    '"{referer}" "{user_agent}"'
)
LINKERD: Final = "{host} " + COMBINED  # Linkerd 1.7.5: httpAccessLog
_UNSAFE: Final = re.compile(r"[^\x20-\x7e]|[\"\\]")
_FIELD: Final = re.compile(r"\{([a-z_0-9]*)\}")


def escape(text: str | bytes) -> str:
    r"""Printable ASCII; quotes, backslashes and everything else as `\xHH`. Empty: `-`."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if not text:
        return "-"
    return _UNSAFE.sub(_hex, text) if _UNSAFE.search(text) else text


def _hex(found: re.Match[str]) -> str:
    # Code points beyond a byte come from names that are ours: UTF-8, then.
    return "".join(f"\\x{byte:02x}" for byte in (
        found[0].encode("latin-1") if ord(found[0]) < 256 else found[0].encode()  # noqa: PLR2004
    ))  # fmt: skip


# Thousands of records share a second, and making its text costs more than the rest of a line.
_SECONDS_KEPT: Final = 4


@lru_cache(_SECONDS_KEPT)
def _iso_second(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def iso_time(end_us: int) -> str:
    """2026-01-31T23:59:59.123Z."""
    second, rest_us = divmod(end_us, 1_000_000)
    return f"{_iso_second(second)}.{rest_us // 1_000:03}Z"


_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def clf_time(end_us: int) -> str:
    """31/Jan/2026:23:59:59 +0000; English whatever the locale."""
    return _clf_second(end_us // 1_000_000)


@lru_cache(_SECONDS_KEPT)
def _clf_second(second: int) -> str:
    at = dt.datetime.fromtimestamp(second, dt.UTC)
    return f"{at:%d}/{_MONTHS[at.month - 1]}/{at:%Y:%H:%M:%S} +0000"


def _header(name: bytes) -> Callable[[AccessRecord], str]:
    line = re.compile(rb"\r\n%b[ \t]*:[ \t]*([^\r\n]*)" % re.escape(name), re.IGNORECASE)

    def read(record: AccessRecord) -> str:
        found = line.search(record.block)
        return escape(found[1].rstrip(b" \t")) if found else "-"

    return read


FIELDS: Final[dict[str, Callable[[AccessRecord], str]]] = {
    "time": lambda one: iso_time(one.end_us),
    "clf_time": lambda one: clf_time(one.end_us),
    "client": lambda one: escape(one.client),
    "method": lambda one: escape(one.method),
    "target": lambda one: escape(one.target),
    "minor": lambda one: str(one.minor),
    "host": lambda one: escape(one.host),
    "status": lambda one: str(one.status),
    "bytes": lambda one: str(one.response_bytes),
    "clf_bytes": lambda one: str(one.response_bytes or "-"),
    "request_bytes": lambda one: str(one.request_bytes),
    "duration_ms": lambda one: f"{one.elapsed_us / 1_000:.3f}",
    "service": lambda one: escape(one.service),
    "client_id": lambda one: escape(one.client_id),
    "upstream": lambda one: escape(one.upstream),
    "trace_id": lambda one: one.trace_id.hex() or "-",
    "rule": lambda one: escape(one.rule),
    "referer": _header(b"referer"),
    "user_agent": _header(b"user-agent"),
}
_OF_HEADERS: Final = frozenset({"referer", "user_agent"})


class UnknownField(ValueError):
    """A template names a field that no record has."""


class LineFormat:
    """Makes a line of a record. Raises: UnknownField."""

    def __init__(self, text: str) -> None:
        template = {"combined": COMBINED, "linkerd": LINKERD}.get(text, text)
        names = [] if text == "json" else _FIELD.findall(template)
        for name in names:
            if name not in FIELDS:
                raise UnknownField(f"{{{name}}} is no field; there are {', '.join(FIELDS)}")
        self.wants_headers = bool(_OF_HEADERS & set(names))
        self.line = as_json if text == "json" else _template(template, names)


def _template(text: str, names: list[str]) -> Callable[[AccessRecord], str]:
    literals = _FIELD.split(text)[::2]
    parts = [FIELDS[name] for name in names]

    def line(record: AccessRecord) -> str:
        out = [literals[0]]
        for part, literal in zip(parts, literals[1:], strict=True):
            out += (part(record), literal)
        return "".join(out)

    return line


def as_json(record: AccessRecord) -> str:
    """One JSON object; what is not there is left out."""
    where = (
        ("service", record.service),
        ("client_id", record.client_id),
        ("upstream", record.upstream),
        ("rule", record.rule),
    )
    line = (
        f'{{"time":"{iso_time(record.end_us)}","client":{_quoted(record.client)},'
        f'"method":{_quoted(record.method.decode("latin-1"))},'
        f'"target":{_quoted(record.target.decode("latin-1"))},'
        f'"host":{_quoted(record.host.decode("latin-1"))},"status":{record.status},'
        f'"bytes":{record.response_bytes},"request_bytes":{record.request_bytes},'
        f'"duration_ms":{record.elapsed_us / 1_000},"trace_id":"{record.trace_id.hex()}"'
    )
    return line + "".join([f',"{name}":{_quoted(text)}' for name, text in where if text]) + "}"


def _quoted(text: str) -> str:
    """A JSON string, in ASCII."""
    if not _UNSAFE.search(text):
        return f'"{text}"'
    return json.dumps(text).replace("\x7f", "\\u007f")
