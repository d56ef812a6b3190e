"""The head of a request.

What routing and framing need to know, and the block of its header lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wire.errors import BadRequest
from wire.head import (
    HOP_BY_HOP,
    connection_tokens,
    drop_pattern,
    first_value,
    without_nominated,
)
from wire.malformed import bad_request_line
from wire.marks import CONNECTION, FRAMED, HOST, MARKS, ONLY_CONNECTION
from wire.upgrade import protocol_asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wire.limits import Limits

# Names that end at this hop, whoever routes. Gateways of CGI's kind read `_` as `-`, so what looks
# like framing to one of them must not get there.
NOT_FOR_UPSTREAM: Final = (
    *HOP_BY_HOP,
    b"expect",
    rb"transfer[_.]encoding",
    rb"content[_.]length",
)

# One space each, visible ASCII only: llhttp lets runs of blanks, `#` and raw bytes above 0x7f pass.
# RFC 9112, 3. A Host line that comes first, as most clients send it, is read along.
_REQUEST_LINE: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Z-]{1,32}) ([!\"$-~]+) HTTP/1\.([01])"
    rb"(?=\r\n)(?:\r\n[Hh][Oo][Ss][Tt]: ?([0-9A-Za-z._-]{1,255}(?::[0-9]{1,5})?)(?=\r\n))?"
)
# The same where Host comes later.
_USUAL_HOST: Final = re.compile(
    rb"\r\n[Hh][Oo][Ss][Tt]: ?([0-9A-Za-z._-]{1,255}(?::[0-9]{1,5})?)(?=\r|\Z)"
)
_FRAMING: Final = re.compile(
    rb"\r\n(host|content-length|transfer-encoding|connection|expect|upgrade)"
    rb"[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
# As browsers and tools write it, that is most requests.
_USUAL_CONNECTION: Final = re.compile(rb"\r\n[Cc]onnection: (?:(close)|[Kk]eep-[Aa]live)(?=\r|\Z)")
# RFC 3986, 3.2.2: a name or an IP literal, and a port; no userinfo, no path, no blank.
_HOST: Final = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._~!$&'()*+;=%-]{1,255})(?::[0-9]{1,5})?"
)
# RFC 9110, 9.3.6, 9.3.8 and 7.6.2
_HOP_METHODS: Final = frozenset({b"CONNECT", b"TRACE", b"OPTIONS"})
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#@]*)([/?].*)?")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")  # under 2^63, whatever the digits

_HOST_LINE: Final = drop_pattern(b"host")
_LENGTH_LINE: Final = drop_pattern(b"content-length")
_LONGER_THAN_ANY_HOST: Final = 300


class RequestHead:
    """One request's head, read once.

    Shape: method, target as routing sees it (origin form, `*` for OPTIONS), `block` the header
    lines as sent (each led by CRLF), `host` the text to route by (the target's authority wins over
    Host), framing facts.

    No slots, but defaults in the class: most heads never change them.
    """

    host: bytes | None = None
    content_length: int | None = None
    chunked = False
    expects_continue = False
    upgrade: bytes | None = None  # the protocol to switch to, if that may be
    nominated: Sequence[bytes] = ()
    plain = False  # whether no line but Host concerns anyone on the way
    # Beginnings of the names in `block` that may concern someone: small letters, behind CRLF.
    marks: Sequence[bytes] = ()
    # Of a request that is remembered (`repeat.py`): its lines as sent, and what its head ends with.
    sent = tail = b""
    # The lines of such a head, once another was compared with them one by one: what those begin
    # with whose values may differ, and the one that is not in `sent`.
    lines: list[bytes] | None = None
    openings: Sequence[bytes] = ()
    cut = b""
    # Where the last one differed in one value only: all before that value, and all behind it.
    front = back = b""
    # What whoever routes decided by these lines alone, or by those before on the connection.
    verdict: Any = None

    def __init__(self, method: bytes, target: bytes, minor: int, block: bytes) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.block = block
        self.keep_alive = minor == 1

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow the head."""
        return self.chunked or bool(self.content_length)

    def end_to_end(self, drop: re.Pattern[bytes]) -> bytes:
        """The block as the next hop may see it, without what `drop` matches and nominated lines.

        A router's own pattern must hold all of NOT_FOR_UPSTREAM: the engine frames anew and answers
        100 itself.
        """
        block = drop.sub(b"", self.block)
        return without_nominated(block, self.nominated) if self.nominated else block

    def __repr__(self) -> str:
        return f"<RequestHead {self.method!r} {self.target!r} host={self.host!r}>"


def read_request_head(head: bytes, limits: Limits) -> RequestHead:
    """Read a head that llhttp accepted, blank line included; refuse what llhttp lets pass.

    Raises: BadRequest with the status to answer.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise bad_request_line(head)
    method, target, minor, host = line.groups()
    if len(target) > limits.target_bytes_max:
        raise BadRequest("the request target is too long", 414)
    block = head[line.end(3) : -4]
    if limits.block_bytes_max is not None and len(block) > limits.block_bytes_max:
        raise BadRequest("the header lines are too large", 431)
    if block.count(b"\n") > limits.headers_max:
        raise BadRequest("too many header lines", 431)
    request = RequestHead(method, target, 1 if minor == b"1" else 0, block)
    if host is None:
        usual = _USUAL_HOST.search(block)
        host = usual[1] if usual is not None else None
    if host is not None and _is_framed_by_its_end(request):
        request.host = host
    else:
        _read_framing(request, limits)
    if method in _HOP_METHODS:
        _refuse_hop_method(request, limits)
    if target[:1] != b"/":
        _read_odd_target(request)
    if limits.host_required and not request.host and request.minor == 1:
        raise BadRequest("Host is missing")
    return request


def _is_framed_by_its_end(request: RequestHead) -> bool:
    """Whether Host, of which there is one line, is all that framing looks at.

    Connection's two usual lines are read, and cut.
    """
    block = request.block
    request.marks = marks = MARKS.findall(block.lower())
    if marks.count(HOST) != 1:
        return False
    more = FRAMED.intersection(marks)
    if more:
        line = _USUAL_CONNECTION.search(block)
        if line is None or more != ONLY_CONNECTION or marks.count(CONNECTION) != 1:
            return False
        request.keep_alive = line.start(1) < 0
        request.block = block[: line.start()] + block[line.end() :]
        marks.remove(CONNECTION)
    request.plain = len(marks) == 1
    return True


def _read_framing(request: RequestHead, limits: Limits) -> None:
    connection: list[bytes] = []
    encodings: list[bytes] = []
    upgrades = False
    for name, value in _FRAMING.findall(request.block):
        key = name.lower()
        value = value.rstrip(b" \t")  # the pattern is faster greedy, so the blank is cut here
        if key == b"host":
            _read_host(request, value, limits)
        elif key == b"connection":
            _read_connection(request, value, connection)
        elif key == b"content-length":
            _read_content_length(request, value, limits)
        elif key == b"transfer-encoding":
            encodings.append(value)
            _read_transfer_encoding(request, encodings)
        elif key == b"expect":
            if value.lower() != b"100-continue" or request.expects_continue:
                raise BadRequest("only Expect: 100-continue is known", 417)
            request.expects_continue = request.minor == 1
        else:
            upgrades = True
    if connection:
        request.nominated = connection_tokens(connection)
    if request.chunked and request.content_length is not None:
        raise BadRequest("Content-Length and Transfer-Encoding exclude each other")
    if upgrades and limits.upgrades:
        request.upgrade = protocol_asked(request, limits)


def _read_host(request: RequestHead, value: bytes, limits: Limits) -> None:
    if request.host is not None:
        raise BadRequest("Host is given more than once")
    if limits.host_strict and value and not _HOST.fullmatch(value):
        raise BadRequest("Host is no host name")
    if len(value) > _LONGER_THAN_ANY_HOST:
        raise BadRequest("Host is too long")
    request.host = value


def _read_connection(request: RequestHead, value: bytes, more: list[bytes]) -> None:
    lowered = value.lower()
    if lowered == b"close":
        request.keep_alive = False
    elif lowered == b"keep-alive":
        request.keep_alive = True
    else:
        more.append(value)
        tokens = [token.strip(b" \t") for token in lowered.split(b",")]
        if b"close" in tokens:
            request.keep_alive = False
        elif b"keep-alive" in tokens:
            request.keep_alive = True


def _read_content_length(request: RequestHead, value: bytes, limits: Limits) -> None:
    if request.content_length is not None:
        raise BadRequest("Content-Length is given more than once")
    if not _LENGTH.fullmatch(value):
        raise BadRequest("Content-Length is no plain number")
    length = int(value)
    if limits.body_bytes_max is not None and length > limits.body_bytes_max:
        raise BadRequest("the body is too large", 413)
    request.content_length = length
    if value != b"%d" % length:  # `010` is 10 to us and must be to everyone behind us
        request.block = _LENGTH_LINE.sub(b"\r\nContent-Length: %d" % length, request.block)


def _read_transfer_encoding(request: RequestHead, seen: list[bytes]) -> None:
    if request.minor == 0:
        raise BadRequest("HTTP/1.0 knows no Transfer-Encoding")
    lowered = seen[-1].lower()
    if len(seen) > 1:
        raise BadRequest("Transfer-Encoding is given more than once")
    if lowered == b"chunked":
        request.chunked = True
    elif lowered.endswith(b", chunked") and lowered.partition(b",")[0] in {
        b"gzip",
        b"deflate",
        b"compress",
    }:
        raise BadRequest("no transfer coding but chunked is supported", 501)
    else:
        raise BadRequest("Transfer-Encoding must be exactly chunked")


def _read_odd_target(request: RequestHead) -> None:
    """Targets that are not in origin form: absolute (as an http_proxy sends them), `*` for OPTIONS.

    CONNECT's own form was refused before.
    """
    absolute = _ABSOLUTE.fullmatch(request.target)
    if absolute is not None:
        authority, rest = absolute.groups()
        if not _HOST.fullmatch(authority):
            raise BadRequest("the target's authority is no host name")
        # RFC 9112, 3.2.2: the target wins, and Host is written anew from it.
        request.host = authority
        request.target = b"/" if rest is None else rest if rest[:1] == b"/" else b"/" + rest
        request.block = b"\r\nHost: " + authority + _HOST_LINE.sub(b"", request.block)
    elif request.target != b"*" or request.method != b"OPTIONS":
        raise BadRequest("the request target is neither a path nor an absolute URL")


def _refuse_hop_method(request: RequestHead, limits: Limits) -> None:
    if request.method == b"CONNECT":  # whatever its target: behind a 2xx it would be a tunnel
        raise BadRequest("CONNECT is not offered", 405)
    if limits.hop_methods:
        return
    if request.method == b"TRACE":
        raise BadRequest("TRACE is not offered", 405)
    if first_value(request.block, b"max-forwards") is not None:
        raise BadRequest("OPTIONS with Max-Forwards is not offered", 405)
