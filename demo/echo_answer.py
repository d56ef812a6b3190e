"""What the echo app answers: the request as it arrived, or a shape the query asks for. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from demo.duration import DurationError, parse_duration, seconds
from demo.flags import whole

SIZE_MAX: Final = 1_073_741_824
DELAY_S_MAX: Final = 60.0
STATUS_MIN: Final = 200  # 1xx announces another answer
STATUS_MAX: Final = 599
BODILESS: Final = (204, 304)  # RFC 9112, 6.3


@dataclass(slots=True)
class Arrived:
    """One request, raw: names and values as their bytes came, in order, repetitions included."""

    target: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    method: str = ""
    version: str = ""
    body_bytes: int = 0
    body_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response head and either its body or the size of a filler. Units: delay in seconds."""

    head: bytes
    body: bytes
    filler: int = 0
    delay_s: float = 0.0


def answer(arrived: Arrived, *, peer: str, pod: str, keep_alive: bool) -> Answer:
    """Answer one request.

    Query: `status=503`, `delay=200ms`, `size=N` (N bytes instead of the echo); a value that cannot
    be read is answered 400, for a test that misspells it should not pass.
    """
    query = parse_qs(arrived.target.partition(b"?")[2].decode("latin-1"), max_num_fields=100)
    try:
        status = _status(query)
        delay_s = _delay(query)
        size = _size(query)
    except ValueError as error:
        return _framed(arrived, 400, f"{error}\n".encode(), keep_alive=keep_alive)
    if size is not None:
        return _framed(arrived, status, b"", filler=size, delay_s=delay_s, keep_alive=keep_alive)
    body = json.dumps(_echo(arrived, peer, pod)).encode() + b"\n"
    return _framed(arrived, status, body, delay_s=delay_s, keep_alive=keep_alive)


def refusal(status: int, reason: str) -> bytes:
    """A whole answer to what is no request; the connection ends after it."""
    body = reason.encode() + b"\n"
    return _head(status, "text/plain; charset=utf-8", len(body), keep_alive=False) + body


def _echo(arrived: Arrived, peer: str, pod: str) -> dict[str, object]:
    return {
        "method": arrived.method,
        "target": arrived.target.decode("latin-1"),
        "version": arrived.version,
        "headers": _texts(arrived.headers),
        "trailers": _texts(arrived.trailers),
        "body": {"length": arrived.body_bytes, "sha256": arrived.body_sha256},
        "peer": peer,
        "pod": pod,
    }


def _texts(fields: list[tuple[bytes, bytes]]) -> list[list[str]]:
    # latin-1 gives every byte one character, so nothing of a header is lost.
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields]


def _status(query: dict[str, list[str]]) -> int:
    status = whole(query["status"][0]) if "status" in query else 200
    if not STATUS_MIN <= status <= STATUS_MAX:
        raise ValueError(f"status must be {STATUS_MIN} to {STATUS_MAX}")
    return status


def _delay(query: dict[str, list[str]]) -> float:
    if "delay" not in query:
        return 0.0
    try:
        delay_s = seconds(parse_duration(query["delay"][0]))
    except DurationError as error:
        raise ValueError(f"delay: {error}") from None
    if delay_s > DELAY_S_MAX:
        raise ValueError(f"delay must be at most {DELAY_S_MAX:g}s")
    return delay_s


def _size(query: dict[str, list[str]]) -> int | None:
    if "size" not in query:
        return None
    size = whole(query["size"][0])
    if size > SIZE_MAX:
        raise ValueError(f"size must be at most {SIZE_MAX}")
    return size


def _framed(
    arrived: Arrived,
    status: int,
    body: bytes,
    *,
    filler: int = 0,
    delay_s: float = 0.0,
    keep_alive: bool,
) -> Answer:
    kind = "application/octet-stream" if filler else "application/json"
    kind = "text/plain; charset=utf-8" if status == HTTPStatus.BAD_REQUEST and not filler else kind
    length = None if status in BODILESS else filler or len(body)
    head = _head(status, kind, length, keep_alive=keep_alive)
    if arrived.method == "HEAD" or status in BODILESS:
        return Answer(head, b"", 0, delay_s)
    return Answer(head, body, filler, delay_s)


def _head(status: int, kind: str, length: int | None, *, keep_alive: bool) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unnamed"
    lines = [f"HTTP/1.1 {status} {reason}"]
    if length is not None:
        lines += [f"content-type: {kind}", f"content-length: {length}"]
    # Always said: an HTTP/1.0 caller that asked for keep-alive waits for it.
    lines.append(f"connection: {'keep-alive' if keep_alive else 'close'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
