r"""Reading and editing a head in bulk: no object per header.

A head's header lines are kept as one `block` of bytes in which every line is led by CRLF, so one
compiled pattern that starts with the literal CRLF finds or removes lines at the speed of a memory
search:

    b"GET / HTTP/1.1" + b"\r\nHost: a\r\nAccept: */*" + b"\r\n\r\n"
      request line       block

Bulk editing is right only on heads that llhttp has accepted (it refuses folded lines, bare LF,
blanks before a colon, NUL). `edge/answers/plain.py` does the same header by header, and tests hold
the two together.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from wire.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD_END: Final = b"\r\n\r\n"

# RFC 9110, 5.6.2: token = 1*tchar
TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"

# RFC 9110, 7.6.1 and Linkerd 1.7.5's list; Keep-Alive and Proxy-Connection are dropped as RFC 9110
# asks, although Linkerd lets them pass. Framing headers are ours to write anew.
HOP_BY_HOP: Final = (
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
)

# What a Connection line may not take away: routing and framing would change under us
# (CVE-2021-32813 and its kin).
PROTECTED: Final = re.compile(
    rb"(?:host|content-length|cookie|authorization|via|forwarded|x-forwarded-.*|x-real-ip|:.*)",
    re.IGNORECASE,
)
L5D: Final = re.compile(rb"(?:l5d|weir)[-_.].*", re.IGNORECASE)
# Envoy refuses from 10 tokens on as well.
CONNECTION_TOKENS_MAX: Final = 9


def drop_pattern(*names: bytes) -> re.Pattern[bytes]:
    r"""A pattern that matches whole lines of a block by name.

    A name may be a regex such as `l5d[-_.][^:\r\n]*`.
    """
    return re.compile(rb"\r\n(?:" + b"|".join(names) + rb")[ \t]*:[^\r\n]*", re.IGNORECASE)


@lru_cache(maxsize=256)
def _value_pattern(name: bytes) -> re.Pattern[bytes]:
    return re.compile(
        rb"\r\n" + re.escape(name) + rb":[ \t]*([^\r\n]*?)[ \t]*(?=\r|\Z)", re.IGNORECASE
    )


def values(block: bytes, name: bytes) -> list[bytes]:
    """All values of one header in order, blanks around them cut. Names compare without case."""
    return _value_pattern(name).findall(block)


def first_value(block: bytes, name: bytes) -> bytes | None:
    """The first value of one header, or None."""
    found = _value_pattern(name).search(block)
    return found.group(1) if found else None


def header_lines(block: bytes) -> list[tuple[bytes, bytes]]:
    """Every line as (name as sent, value), for pages, tests and the plain editor.

    Not for the hot path.
    """
    lines = []
    for line in block.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        lines.append((name, value.strip(b" \t")))
    return lines


def connection_tokens(connection: list[bytes]) -> list[bytes]:
    """The lower-cased names that Connection lines nominate for removal.

    Names of the l5d family are left out: an outsider may not choose which of our headers survive,
    and ours are dropped or set by the router's own rule.

    Raises: BadRequest, when there are too many, or when one names a header that routing or framing
    depends on.
    """
    tokens = [token.strip(b" \t").lower() for line in connection for token in line.split(b",")]
    tokens = [token for token in tokens if token]
    if len(tokens) > CONNECTION_TOKENS_MAX:
        raise BadRequest("Connection names too many headers")
    names = []
    for token in tokens:
        if not _TOKEN.fullmatch(token):
            raise BadRequest("Connection holds something that is no header name")
        if PROTECTED.fullmatch(token):
            raise BadRequest(f"Connection may not name {token.decode('latin-1')}")
        if token not in {b"close", b"keep-alive"} and not L5D.fullmatch(token):
            names.append(token)
    return names


def without_nominated(block: bytes, names: Sequence[bytes]) -> bytes:
    """The block without the lines that Connection nominated."""
    return drop_pattern(*map(re.escape, names)).sub(b"", block)


_TOKEN: Final = re.compile(TOKEN)
