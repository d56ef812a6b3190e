"""Hostile and broken answers as data: what an upstream writes, what its client gets.

Whatever it was, the next client gets an answer of its own, and only a connection beyond doubt
carries it (`reused`). HG is the http-garden project's numbering, PS PortSwigger's research.
"""

from __future__ import annotations

from typing import NamedTuple

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n"
# Half of its body, and no more.
HALF = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nhello"
EXPECTS = b"POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"


class Answer(NamedTuple):
    """One exchange as the upstream plays it."""

    name: str
    written: bytes
    statuses: tuple[int, ...]  # what the client reads
    source: str
    request: bytes = GET
    body: bytes | None = None  # what the client's answer carries; None: it does not matter
    cut: bool = False  # the client's answer breaks off, and he notices
    ends: bool = False  # the upstream closes behind it
    reused: bool = False  # whether its connection may carry the next request
    never: bytes = b"\r\n\r\nl5d-"  # what the client must not see


def _headed(
    name: str, lines: bytes, body: bytes = b"hello", source: str = "as of requests"
) -> Answer:
    return Answer(name, b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n" + body, (502,), source)


def _chunked(name: str, body: bytes, source: str) -> Answer:
    return _headed(name, b"Transfer-Encoding: chunked", body, source)


_LAST = b"0\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
_EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

FRAMING = [
    _headed(
        "CL and TE", b"Content-Length: 5\r\nTransfer-Encoding: chunked", _LAST, "RFC 9112, 6.3"
    ),
    _headed(
        "TE and CL", b"Transfer-Encoding: chunked\r\nContent-Length: 5", _LAST, "RFC 9112, 6.3"
    ),
    _headed("two lengths", b"Content-Length: 5\r\nContent-Length: 6"),
    _headed("two equal lengths", b"Content-Length: 5\r\nContent-Length: 5"),
    *(
        _headed(f"Content-Length {value!r}", b"Content-Length: " + value)
        for value in (b"5, 5", b"+5", b"-5", b"0x5", b"", b"5 5", b"9223372036854775808")
    ),
    *(
        _headed(f"Transfer-Encoding {value!r}", b"Transfer-Encoding: " + value, _LAST)
        for value in (b",chunked", b"gzip, chunked", b"xchunked", b"identity", b"chunked;q=1", b"")
    ),
    _headed("TE twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", _LAST),
    Answer(
        "chunks in HTTP/1.0",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        (502,),
        "RFC 9112, 6.1",
    ),
    _headed("Connection names the length", b"Connection: content-length\r\nContent-Length: 5"),
    _chunked("a chunk size in hexadecimal's prefix", b"0x5\r\nhello\r\n0\r\n\r\n", "HG S1"),
    _chunked("a chunk size with a sign", b"+5\r\nhello\r\n0\r\n\r\n", "HG S22"),
    _chunked("a chunk size beyond 2^64", b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n", "overflow"),
    _chunked("no chunk size", b"\r\nhello\r\n0\r\n\r\n", "HG S17"),
    _chunked("bare LF after a chunk size", b"5\nhello\r\n0\r\n\r\n", "HG T13"),
    _chunked("bytes where CRLF belongs", b"5\r\nhelloXX0\r\n\r\n", "CVE-2025-43859"),
    _chunked("LF in a chunk extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n", "CVE-2025-55315"),
    _chunked("a long chunk extension", b"5;" + b"a" * 5_000 + b"\r\nhello\r\n0\r\n\r\n", "bounded"),
    _chunked("a malformed trailer", b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", "RFC 9112, 7.1.2"),
    _chunked("endless trailers", b"0\r\n" + b"X: aaaaaaaa\r\n" * 2_000 + b"\r\n", "bounded"),
    Answer(
        "trailers that speak for us stay here",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
        b"L5D-Err: evil\r\nSet-Cookie: evil\r\nX-T: fine\r\n\r\n",
        (200,),
        "RFC 9110, 6.5.1",
        body=b"hello",
        reused=True,
        never=b"evil",
    ),
    Answer(
        "a length with leading zeros is written anew",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0005\r\n\r\nhello",
        (200,),
        "HG S32",
        body=b"hello",
        reused=True,
        never=b"0005",
    ),
    Answer(
        "a Connection line that begins like another",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive0\r\n"
        b"Connection: keep-alive\r\n\r\nhello",
        (200,),
        "what is cut of it must not make a length longer",
        body=b"hello",
        reused=True,
        never=b"50",
    ),
]

HEADS = [
    *(
        Answer(
            f"status line {line!r}", line + b"\r\nContent-Length: 0\r\n\r\n", (502,), "RFC 9112, 4"
        )
        for line in (
            b"200 OK",
            b"ICY 200 OK",
            b"HTTP/2 200 OK",
            b"HTTP/0.9 200 OK",
            b"HTTP/1.2 200 OK",
            b"HTTP/1.1  200 OK",
            b"HTTP/1.1 20 OK",
            b"HTTP/1.1 099 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 200 O\x00K",
        )
    ),
    *(
        _headed(f"a line {line!r}", line + b"\r\nContent-Length: 5")
        for line in (
            b"X: a\x00b",
            b"X: a\rb",
            b"X: a\nb",
            b"X: a\r\n b",
            b"X : a",
            b"X\t: a",
            b" X: a",
            b"no colon",
            b": a",
            b"X(Y): a",
        )
    ),
    _headed(
        "a head of 20 kB", b"X: " + b"a" * 20_000 + b"\r\nContent-Length: 5", b"hello", "bounded"
    ),
    _headed("a head without an end", b"X: a\r\n" * 10_000, b"", "bounded"),
    Answer("no HTTP at all", b"SSH-2.0-OpenSSH_9.2\r\n", (502,), "RFC 4253, 4.2", ends=True),
]

SPLITTING = [
    Answer(
        "a second answer", _OK + _EVIL, (200,), "PS: response queue", body=b"hello", never=b"evil"
    ),
    Answer(
        "a second answer behind an error",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno" + _EVIL,
        (404,),
        "PS: response queue",
        body=b"no",
        never=b"evil",
    ),
    Answer(
        "a second answer behind chunks",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + _EVIL,
        (200,),
        "PS: response queue",
        body=b"hello",
        never=b"evil",
    ),
    Answer("one byte too many", _OK + b"!", (200,), "RFC 9112, 6.3", body=b"hello", never=b"!"),
    Answer(
        "a body for HEAD",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        (200,),
        "RFC 9112, 6.3",
        request=HEAD,
        never=b"evil",
    ),
    Answer(
        "a body for 204",
        b"HTTP/1.1 204 No Content\r\n\r\nevil",
        (204,),
        "RFC 9112, 6.3",
        never=b"evil",
    ),
    Answer(
        "a body for 304",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil",
        (304,),
        "RFC 9112, 6.3",
        never=b"evil",
    ),
    Answer(
        "an answer within a header is a header",
        b"HTTP/1.1 200 OK\r\nX: HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        (200,),
        "response splitting",
        body=b"hello",
        reused=True,
    ),
]

INTERIM = [
    Answer(
        "101 that nobody asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nevil",
        (502,),
        "RFC 9110, 15.2.2",
        never=b"evil",
    ),
    Answer("endless 1xx", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50, (502,), "bounded"),
    Answer(
        "a hint before the answer",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + _OK,
        (103, 200),
        "RFC 8297",
        body=b"hello",
        reused=True,
    ),
    Answer(
        "100 that nobody waits for",
        b"HTTP/1.1 100 Continue\r\n\r\n" + _OK,
        (200,),
        "RFC 9110, 15.2.1",
        body=b"hello",
        reused=True,
    ),
    Answer(
        "a 1xx with a length",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\nevil" + _OK,
        (502,),
        "RFC 9110, 15.2",
        never=b"evil",
    ),
]

EARLY = [
    Answer(
        "answered before the body is there", _OK, (200,), "PS: CL.0", request=HALF, body=b"hello"
    ),
    Answer(
        "refused before the body is there",
        b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
        (413,),
        "PS: CL.0",
        request=HALF,
        body=b"",
    ),
    Answer(
        "a final answer to a request that waits to send its body",
        b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n",
        (100, 417),
        "PS: 0.CL, 2025",
        request=EXPECTS,
        body=b"",
    ),
    Answer(
        "two answers before the body is there",
        _OK + _EVIL,
        (200,),
        "PS: CL.0",
        request=HALF,
        body=b"hello",
        never=b"evil",
    ),
]

ENDS = [
    Answer("closed without an answer", b"", (502,), "RFC 9112, 9.5", ends=True),
    Answer("closed within the head", b"HTTP/1.1 200 OK\r\nConte", (502,), "RFC 9112, 8", ends=True),
    Answer(
        "closed within a body of known length",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        (200,),
        "RFC 9112, 8",
        cut=True,
        ends=True,
    ),
    Answer(
        "closed within chunks",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        (200,),
        "RFC 9112, 8",
        cut=True,
        ends=True,
    ),
    Answer(
        "a body that ends with the connection",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        (200,),
        "RFC 9112, 6.3",
        body=b"hello",
        ends=True,
    ),
    Answer(
        "an answer that says close",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        (200,),
        "RFC 9112, 9.6",
        body=b"hello",
    ),
    Answer("an answer beyond doubt", _OK, (200,), "the plain case", body=b"hello", reused=True),
]

ANSWERS = [*FRAMING, *HEADS, *SPLITTING, *INTERIM, *EARLY, *ENDS]
