"""Streams of requests in every framing we take and many that we refuse, made by a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.security.cases import CASES

if TYPE_CHECKING:
    import random

_BAIT: Final = b"GET /bait HTTP/1.1\r\nHost: a.example\r\n\r\n"
_LINES: Final = (
    b"Accept: */*",
    b"X-Empty:",
    b"Transfer_Encoding: chunked",
    b"Content_Length: 7",
    b"Content-Length2: 7",
    b"X-Transfer-Encoding: chunked",
    b"Connection: keep-alive",
    b"Connection: x-gone\r\nX-Gone: 1",
    b"Expect: 100-continue",
    b"X: caf\xe9",
    b"TE: trailers",
    b"Trailer: X-T",
    b"Upgrade: h2c",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
    b"Content-Type: multipart/form-data",
    b"Cookie: a=b; c=d",
)
_END: Final = b"\r\n\r\n"
_SPOILT: Final = (
    b"Content-Length : 5",
    b"Content-Length: +5",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding: chunked\r\n chunked",
    b"X: a\nTransfer-Encoding: chunked",
    b"X: a\rContent-Length: 40",
    b"Content-Length: 40,40",
    b"Content-Length: 0x28",
)


def _chunks(dice: random.Random, body: bytes) -> bytes:
    out = b""
    while body:
        size = dice.randint(1, len(body))
        text = (b"%x" if dice.random() < 0.5 else b"%X") % size
        text = b"0" * dice.choice((0, 0, 1, 3)) + text
        extension = dice.choice((b"", b"", b";a", b";a=b", b';a="b;c"'))
        out += text + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    trailers = dice.choice((b"", b"", b"X-T: 1\r\n", b"X-T: 1\r\nCookie: a=b\r\n"))
    return out + dice.choice((b"0", b"00", b"0;x")) + b"\r\n" + trailers + b"\r\n"


def a_request(dice: random.Random, number: int) -> bytes:
    """One request; now and then it is not quite one."""
    method = dice.choice((b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS"))
    target = b"/%d" % number
    if dice.random() < 0.1:
        target = b"http://a.example" + target
    version = b"HTTP/1.0" if dice.random() < 0.05 else b"HTTP/1.1"
    lines = [b"Host: a.example", *dice.sample(_LINES, dice.randint(0, 4))]
    body = dice.choice((b"", b"x", b"hello", _BAIT, _BAIT * 2, b"0\r\n\r\n", b"\r\n"))
    kind = dice.random()
    if kind < 0.35 and version == b"HTTP/1.1":
        lines.append(dice.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED")))
        body = _chunks(dice, body)
    elif kind < 0.8 or body:
        digits = b"%d" % len(body)
        lines.append(b"Content-Length: " + dice.choice((b"", b"", b"0", b"00")) + digits)
    if dice.random() < 0.04:
        lines.append(dice.choice(_SPOILT))
    if dice.random() < 0.03:
        lines.append(b"Connection: close")
    dice.shuffle(lines)
    return b"%b %b %b\r\n%b\r\n\r\n%b" % (method, target, version, b"\r\n".join(lines), body)


def a_stream(dice: random.Random) -> bytes:
    """What a client might write at once: requests, at times with one of the cases behind them."""
    if dice.random() < 0.3:
        return b"".join(alike(dice))
    stream = b"".join(a_request(dice, number) for number in range(dice.randint(1, 6)))
    if dice.random() < 0.3:
        stream += dice.choice(CASES).sent[:1_500]
    return stream


def alike(dice: random.Random) -> list[bytes]:
    """Requests as a kept connection brings them: the same lines again, now and then not quite."""
    lines = b"\r\n".join((b"", b"Host: a.example", *dice.sample(_LINES, dice.randint(0, 4)))) + _END
    if dice.random() < 0.2:  # most have no body, for those can be taken the short way
        head = a_request(dice, 0)
        lines = head[head.index(b"\r\n") :]
    requests = []
    for number in range(dice.randint(2, 6)):
        method = dice.choice((b"GET", b"GET", b"GET", b"GET", b"HEAD"))
        target = (
            dice.choice((b"/%d", b"/%d", b"/%d?a=b", b"http://b.example/%d", b"/%d#a")) % number
        )
        request = method + b" " + target + b" HTTP/1.1" + lines
        if dice.random() < 0.25:
            at = dice.randrange(len(request))
            spoiler = bytes([dice.choice((0, 9, 10, 13, 32, 58, 65, 127, 200))])
            request = request[:at] + spoiler + request[at + dice.randint(0, 1) :]
        requests.append(request)
        if dice.random() < 0.1:
            requests.append(a_request(dice, number))
    return requests
