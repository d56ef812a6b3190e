"""Where nginx 1.22 and HAProxy 2.6, by their own defaults, decide otherwise than we do.

Shape: by peer, why they differ → the cases' names. All but those under `STRICTER` are cases that
the peer takes and we refuse.
"""

from __future__ import annotations

from typing import Final

_HOSTS: Final = (
    "Host b'a@b'",
    "Host b'a,b'",
    "Host b'a#b'",
    "Host b'a?b'",
    "Host b'a\\\\b'",
    "Host b'a:http'",
    "Host b'a:123456'",
    "Host b'a:80:80'",
    "Host b'[::1'",
    "Host b'[zz]'",
    "Host b'aaaaaaaaaaaaaaaaaaaa'",
    "Host b'\\xe4'",
)
_CHUNKS: Final = (
    "bare LF after a size",
    "bare LF after data",
    "a long extension",
    "many extensions",
    "chunk size b'00000000000000000000'",
)
_CONNECTION: Final = (
    "too many Connection names",
    "Connection names Host",
    "Connection names X-Forwarded-For",
    "Connection names no name",
)
_CONTROLS: Final = ("a value with b'\\x01'", "a value with b'\\x7f'", "a value with b'\\x0b'")

# Which the peer refuses, or reads in another way that is no worse, and we take.
STRICTER: Final = "the peer is stricter"

DIFFERS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "nginx": {
        "nginx asks for no valid host; RFC 9112, 3.2 wants 400": _HOSTS,
        "nginx takes a bare LF for CRLF; RFC 9112, 2.2 allows it for lines, and smugglers use it": (
            "LF ends every line",
            "LF ends one line",
            "CR CR LF",
            "a value with b'\\n'",
            "a value that begins with b'\\n'",
            "a value that ends with b'\\n'",
            "a value that ends with b'\\r'",
        ),
        "nginx is lenient in chunked bodies, whose framing it writes anew": _CHUNKS,
        "nginx throws trailers away unread": (
            "a coding as trailer",
            "a folded trailer",
            "a length as trailer",
            "a malformed trailer",
            "endless trailers",
        ),
        "nginx lets control bytes in values pass; RFC 9110, 5.5 does not": (
            "a value with b'\\x01'",
            "a value with b'\\x7f'",
        ),
        "nginx drops a line with an odd name and goes on (ignore_invalid_headers)": (
            "no colon",
            "a name with b'('",
            "a name with b'\"'",
            "a name with b'/'",
            "a name with b'@'",
            "a name with b'\\x80'",
            "a name with b'\\xff'",
        ),
        "nginx has a bound of bytes and none of lines": ("a header per byte",),
        "nginx does not read Connection's names": _CONNECTION,
        "nginx does not know Expect but for 100-continue": ("an unknown expectation",),
        "nginx lets blanks in a request line pass": (
            "two blanks before the target",
            "two blanks before the version",
            "a blank behind the version",
            "CRLF first",
        ),
        "nginx cuts a fragment off, and takes any scheme and any method": (
            "a fragment",
            "another scheme",
            "an unknown method",
        ),
        "nginx passes OPTIONS on, however many hops it may take": ("OPTIONS that counts hops",),
        "nginx answers every 1.x as 1.1": ("version 1.2", "version 1.32"),
        "nginx answers HTTP/0.9, without a status": ("no version",),
        STRICTER: ("OPTIONS of the server",),
    },
    "haproxy": {
        "HAProxy asks for no host, nor for a valid one": (
            *_HOSTS,
            "Host b''",
            "Host b'a/b'",
            "Host b'a b'",
            "Host b'::1'",
            "two Hosts",
        ),
        "HAProxy takes a bare LF for CRLF": (
            "LF ends every line",
            "LF ends one line",
            "a value that ends with b'\\n'",
        ),
        "HAProxy is lenient in chunked bodies": _CHUNKS,
        "HAProxy passes trailers on as they are": (
            "a coding as trailer",
            "a folded trailer",
            "a length as trailer",
        ),
        "HAProxy joins equal lengths (RFC 9110, 8.6 allows it) and waits for the body": (
            "two equal lengths",
            "a list of equal lengths",
        ),
        "HAProxy counts beyond 2^63 and waits for the body": (
            "Content-Length b'18446744073709551616'",
        ),
        "HAProxy drops the length beside a coding (RFC 9112, 6.3 allows it)": (
            "CL and TE",
            "TE and CL",
        ),
        "HAProxy passes an odd coding on": ("Transfer-Encoding b'chunked,'", "HTTP/1.0 with TE"),
        "HAProxy unfolds lines": (
            "a name with a leading blank",
            "a value with b'\\r\\n c'",
            "a value with b'\\r\\n\\tc'",
        ),
        "HAProxy lets control bytes in values pass": (
            "a value with b'\\x01'",
            "a value with b'\\x7f'",
        ),
        "HAProxy does not read Connection's names": _CONNECTION,
        "HAProxy passes Expect on": ("an unknown expectation", "an expectation twice"),
        "HAProxy lets blanks in a request line pass": (
            "two blanks before the target",
            "two blanks before the version",
            "a tab",
            "CRLF first",
        ),
        "HAProxy takes any target, scheme, method and version": (
            "CONNECT",
            "TRACE",
            "OPTIONS that counts hops",
            "a star for GET",
            "another scheme",
            "userinfo in the target",
            "a long target",
            "a small method",
            "an unknown method",
            "a method of ten thousand bytes",
            "version 1.2",
            "version 2.0 as text",
            "version 0.9 as text",
        ),
        STRICTER: ("the target's authority wins",),
    },
}
