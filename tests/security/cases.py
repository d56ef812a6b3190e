"""Hostile bytes as data: what is sent, what must come back, where the idea is from.

`statuses` are those of the answers in order; a refusal ends the connection. HG is the http-garden
project's numbering, SM the smuggler's gadgets, PS PortSwigger's research.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One conversation: bytes in, statuses out."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]
    source: str
    # What may be in the bytes that reach the upstream; the name of a request that must not.
    never: bytes = b"/smuggled"
    # What must be in the bytes that reach the upstream.
    always: bytes = b""
    # Whether the head may have gone up before the fault came, when the body comes in pieces.
    begun: bool = False
    # Whether it may be sent byte by byte: not where the answer overtakes what is still to be sent.
    paced: bool = True


def head(*lines: bytes, body: bytes = b"", start: bytes = b"POST / HTTP/1.1") -> bytes:
    """A request with Host."""
    return b"\r\n".join((start, b"Host: a.example", *lines)) + b"\r\n\r\n" + body


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


def _chunks(name: str, body: bytes, status: int, source: str) -> Case:
    return Case(name, head(CHUNKED, body=body), (status,), source, begun=status >= 400)


def _te(value: bytes, status: int, source: str) -> Case:
    return Case(
        f"Transfer-Encoding {value!r}",
        head(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n" + SMUGGLED),
        (status,),
        source,
    )


def _line(name: str, line: bytes, status: int, source: str) -> Case:
    return Case(name, head(line, start=b"GET / HTTP/1.1"), (status,), source)


def _start(name: str, start: bytes, status: int, source: str) -> Case:
    return Case(name, head(start=start), (status,), source)


def _host(value: bytes, status: int) -> Case:
    return Case(
        f"Host {value[:20]!r}",
        b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n",
        (status,),
        "RFC 9112, 3.2; RFC 3986, 3.2.2",
    )


LENGTHS = [
    Case("CL and TE", head(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"), (400,), "HG T23"),
    Case("TE and CL", head(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"), (400,), "HG T23"),
    Case(
        "two lengths, low first", head(b"Content-Length: 1", b"Content-Length: 2"), (400,), "HG S23"
    ),
    Case(
        "two lengths, high first",
        head(b"Content-Length: 2", b"Content-Length: 1"),
        (400,),
        "HG S33",
    ),
    Case("two equal lengths", head(b"Content-Length: 1", b"Content-Length: 1"), (400,), "RFC 9112"),
    Case("a list of equal lengths", head(b"Content-Length: 1, 1"), (400,), "RFC 9112, 6.3"),
    *(
        Case(
            f"Content-Length {value!r}",
            head(b"Content-Length: " + value, body=SMUGGLED),
            (400,),
            by,
        )
        for value, by in (
            (b"+5", "HG S10"),
            (b"-48", "HG S26"),
            (b"0x10", "HG S29"),
            (b"1_0", "HG T1"),
            (b"1Z", "HG"),
            (b"1 0", "HG"),
            (b"", "HG S16"),
            (b",1", "HG"),
            (b"1,", "HG"),
            (b"9223372036854775808", "over 2^63"),
            (b"18446744073709551616", "over 2^64"),
            (b"99999999999999999999999999", "over anything"),
            (b"\x0b5", "HG"),
            (b"5\x0c", "HG"),
            (b"\xb2", "superscript two"),
        )
    ),
    Case(
        "empty length before a number",
        head(b"Content-Length:", b"Content-Length: 5"),
        (400,),
        "HG T5",
    ),
    Case(
        "a length with leading zeros", head(b"Content-Length: 05", body=b"hello"), (200,), "HG S32"
    ),
    Case(
        "a length that is no octal number",
        head(b"Content-Length: 010", body=b"0123456789"),
        (200,),
        "HG S32",
        never=b"Content-Length: 010",
        always=b"Content-Length: 10\r\n",
    ),
]

CODINGS = [
    *(
        _te(value, status, source)
        for value, status, source in (
            (b",chunked", 400, "HG S21"),
            (b"chunked,", 400, "probe"),
            (b"chunked, gzip", 400, "probe"),
            (b"chunked, chunked", 400, "probe"),
            (b"identity", 400, "probe"),
            (b"xchunked", 400, "probe"),
            (b'"chunked"', 400, "probe"),
            (b"chunked;q=1", 400, "probe"),
            (b"chunked\x00", 400, "SM"),
            (b"\xa0chunked", 400, "HG S12"),
            (b"chunked\x85", 400, "HG S46"),
            (b"\xffchunked", 400, "HG"),
            (b"\x0bchunked", 400, "HG"),
            (b"chunk\r\n ed", 400, "folded"),
            (b"", 400, "probe"),
            (b"gzip, chunked", 501, "llhttp lets it pass"),
        )
    ),
    Case("TE twice", head(CHUNKED, CHUNKED, body=b"0\r\n\r\n"), (400,), "HG S11"),
    Case(
        "TE twice, one odd",
        head(b"Transfer-Encoding: x", CHUNKED, body=b"0\r\n\r\n"),
        (400,),
        "HG T25",
    ),
    Case(
        "unknown TE with a length",
        head(b"Transfer-Encoding: x", b"Content-Length: 5"),
        (400,),
        "HG S44",
    ),
    Case(
        "HTTP/1.0 with TE",
        head(CHUNKED, start=b"POST / HTTP/1.0", body=b"0\r\n\r\n"),
        (400,),
        "llhttp lets it pass",
    ),
    Case(
        "TE in capitals frames as chunked",
        head(b"TRANSFER-ENCODING: CHUNKED", body=b"5\r\nhello\r\n0\r\n\r\n"),
        (200,),
        "RFC 9112, 7",
    ),
    *(
        Case(
            f"the look-alike {line!r} never frames and stays here",
            head(line, b"Content-Length: 5", body=b"0\r\n\r\n"),
            (200,),
            "SM",
            never=line,
        )
        for line in (
            b"Transfer_Encoding: chunked",
            b"transfer.encoding: chunked",
            b"Content_Length: 7",
            b"CONTENT_LENGTH: 0",
        )
    ),
    Case("a name with a tab", head(b"Transfer-Encoding\t: chunked"), (400,), "SM"),
    Case("a name with a trailing blank", head(b"Transfer-Encoding : chunked"), (400,), "SM"),
    Case("a name with a leading blank", head(b" Transfer-Encoding: chunked"), (400,), "SM"),
    Case("a name split by a fold", head(b"Transfer-\r\n Encoding: chunked"), (400,), "SM"),
]

CHUNKS = [
    *(
        _chunks(f"chunk size {size[:20]!r}", size + b"\r\nhello\r\n0\r\n\r\n", 400, source)
        for size, source in (
            (b"0x5", "HG S1"),
            (b"+5", "HG S22"),
            (b"-1", "HG S25"),
            (b"0_5", "HG T2"),
            (b"5zz", "HG T7"),
            (b"", "HG S17"),
            (b" 5", "HG T24"),
            (b"\t5", "HG T24"),
            (b"5\x0b", "HG"),
            (b"10000000000000005", "over 2^64"),
            (b"fffffffffffffffff", "over 2^64"),
            (b"0" * 5_000 + b"5", "llhttp lets it pass"),
        )
    ),
    _chunks("bare LF after a size", b"5\nhello\r\n0\r\n\r\n", 400, "HG T13"),
    _chunks("bare LF after data", b"5\r\nhello\n0\r\n\r\n", 400, "HG S31"),
    _chunks("CR and another byte after a size", b"5\rXhello\r\n0\r\n\r\n", 400, "HG S31"),
    _chunks(
        "two bytes where CRLF belongs", b"5\r\nhelloXX0\r\n\r\n", 400, "HG S39; CVE-2025-43859"
    ),
    _chunks("an extra CRLF before the last chunk", b"5\r\nhello\r\n\r\n0\r\n\r\n", 400, "HG T17"),
    _chunks("CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400, "HG S36; CVE-2025-55315"),
    _chunks("LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400, "HG T3; CVE-2025-55315"),
    _chunks(
        "a long extension",
        b"5;" + b"a" * 5_000 + b"\r\nhello\r\n0\r\n\r\n",
        400,
        "llhttp lets it pass",
    ),
    _chunks(
        "many extensions",
        (b"1;" + b"a" * 500 + b"\r\nx\r\n") * 10 + b"0\r\n\r\n",
        400,
        "in sum over 4 KiB",
    ),
    _chunks("a short extension is dropped", b"5;a=b\r\nhello\r\n0\r\n\r\n", 200, "RFC 9112, 7.1.1"),
    _chunks("leading zeros within reason", b"005\r\nhello\r\n0\r\n\r\n", 200, "RFC 9112, 7.1"),
    _chunks("a malformed trailer", b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", 400, "RFC 9112, 7.1.2"),
    _chunks("a folded trailer", b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n", 400, "RFC 9112, 5.2"),
    _chunks("endless trailers", b"0\r\n" + b"X: aaaaaaaa\r\n" * 2_000 + b"\r\n", 431, "bounded"),
    *(
        Case(
            f"trailer {name!r} stays here",
            head(CHUNKED, body=b"5\r\nhello\r\n0\r\n" + name + b": /smuggled\r\n\r\n"),
            (200,),
            "llhttp reports trailers as headers",
        )
        for name in (
            b"l5d-dtab",
            b"L5D-Ctx-Trace",
            b"l5d_sample",
            b"Host",
            b"Authorization",
            b"Cookie",
            b"X-Forwarded-For",
        )
    ),
    _chunks(
        "a length as trailer", b"0\r\nContent-Length: 5\r\n\r\n", 400, "llhttp reads it as framing"
    ),
    _chunks("a coding as trailer", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "as above"),
    Case(
        "a byte behind the last chunk",
        head(CHUNKED, body=b"0\r\n\r\nX\r\n\r\n"),
        (200, 400),
        "HG bonus 3",
    ),
]

LINES = [
    *(
        _line(f"a value with {bad!r}", b"X: a" + bad + b"b", 400, source)
        for bad, source in (
            (b"\x00", "HG S2"),
            (b"\r", "HG S34"),
            (b"\n", "HG S35"),
            (b"\x01", "probe"),
            (b"\x7f", "probe"),
            (b"\x0b", "probe"),
            (b"\r\n c", "HG S37, folded"),
            (b"\r\n\tc", "HG S37, folded"),
        )
    ),
    *(
        _line(f"a value that {where} {bad!r}", line, 400, source)
        for bad, source in ((b"\x00", "HG T10, T12"), (b"\r", "HG S34"), (b"\n", "HG S35"))
        for where, line in (("begins with", b"X: " + bad + b"a"), ("ends with", b"X: a" + bad))
    ),
    _line("a blank before the colon", b"X : a", 400, "HG S3"),
    _line("a tab before the colon", b"X\t: a", 400, "HG S4"),
    _line("no colon", b"nothing", 400, "HG S18"),
    _line("no name", b": a", 400, "HG S27"),
    _line("a lone colon", b":", 400, "HG S28"),
    *(
        _line(f"a name with {bad!r}", b"X" + bad + b"Y: a", 400, "HG S8")
        for bad in (b"(", b'"', b"/", b"@", b"\x80", b"\xff", b"\x00", b" ")
    ),
    *(
        Case(
            f"obs-text in {line!r} is not touched",
            head(line, start=b"GET / HTTP/1.1"),
            (200,),
            "HG S41",
            always=line + b"\r\n",
        )
        for line in (b"X: caf\xe9 \x85 \xa0", b"X: \x85a\x85", b"X: \xa0a\xa0")
    ),
    Case(
        "a blank before the first header",
        b"GET / HTTP/1.1\r\n Host: a.example\r\n\r\n",
        (400,),
        "HG S20",
    ),
    Case("LF ends every line", b"GET / HTTP/1.1\nHost: a.example\n\n", (400,), "HG T16"),
    Case("LF ends one line", b"GET / HTTP/1.1\r\nHost: a.example\nX: a\r\n\r\n", (400,), "HG T16"),
    Case(
        "CR alone ends a line", b"GET / HTTP/1.1\r\nHost: a.example\rX: a\r\n\r\n", (400,), "HG S13"
    ),
    Case("CR and a byte end a head", b"GET / HTTP/1.1\r\nHost: a.example\r\n\rX", (400,), "HG S30"),
    Case("CR CR LF", b"GET / HTTP/1.1\r\nHost: a.example\r\r\n\r\n", (400,), "HG S30"),
    _line("20 kB of header", b"X: " + b"a" * 20_000, 431, "bounded"),
    _line("1 MB of header", b"X: " + b"a" * 1_000_000, 431, "bounded"),
    _line(
        "ten thousand headers",
        b"\r\n".join(b"X%d: a" % n for n in range(10_000)),
        431,
        "Envoy: bounded memory",
    ),
    _line("a header per byte", b"\r\n".join(b"X%d: a" % n for n in range(150)), 431, "bounded"),
    _line("too many Connection names", b"Connection: " + b", ".join([b"a"] * 12), 400, "Envoy"),
    _line("Connection names Host", b"Connection: close, host", 400, "Envoy"),
    _line(
        "Connection names X-Forwarded-For", b"Connection: x-forwarded-for", 400, "CVE-2021-32813"
    ),
    _line("Connection names no name", b"Connection: a b", 400, "RFC 9110, 7.6.1"),
    _line("an unknown expectation", b"Expect: y 100-continue", 417, "PS"),
    _line("an expectation twice", b"Expect: 100-continue\r\nExpect: 100-continue", 417, "PS"),
]

STARTS = [
    _start("two blanks before the target", b"GET  / HTTP/1.1", 400, "llhttp lets it pass"),
    _start("two blanks before the version", b"GET /  HTTP/1.1", 400, "llhttp lets it pass"),
    _start("a tab", b"GET\t/ HTTP/1.1", 400, "probe"),
    _start("a blank in the target", b"GET /a b HTTP/1.1", 400, "probe"),
    _start("a blank behind the version", b"GET / HTTP/1.1 ", 400, "probe"),
    _start("CRLF first", b"\r\nGET / HTTP/1.1", 400, "probe"),
    _start("a fragment", b"GET /#a HTTP/1.1", 400, "llhttp lets it pass"),
    _start("a raw high byte", b"GET /\xff HTTP/1.1", 400, "llhttp lets it pass"),
    _start("NUL in the target", b"GET /\x00 HTTP/1.1", 400, "HG S7"),
    _start("no slash", b"GET a HTTP/1.1", 400, "RFC 9112, 3.2"),
    _start("a star for GET", b"GET * HTTP/1.1", 400, "llhttp lets it pass"),
    _start("CONNECT", b"CONNECT a.example:80 HTTP/1.1", 405, "no tunnels"),
    _start("CONNECT to a path", b"CONNECT / HTTP/1.1", 405, "llhttp lets it pass"),
    _start("TRACE", b"TRACE / HTTP/1.1", 405, "RFC 9110, 9.3.8: it shows what hops have added"),
    Case(
        "OPTIONS that counts hops",
        head(b"Max-Forwards: 0", start=b"OPTIONS / HTTP/1.1"),
        (405,),
        "RFC 9110, 7.6.2",
    ),
    _start("another scheme", b"GET ftp://a.example/ HTTP/1.1", 400, "RFC 9112, 3.2.2"),
    _start("userinfo in the target", b"GET http://u@a.example/ HTTP/1.1", 400, "RFC 9110, 4.2.4"),
    _start("a long target", b"GET /" + b"a" * 9_000 + b" HTTP/1.1", 414, "bounded"),
    _start("a target of 100 kB", b"GET /" + b"a" * 100_000 + b" HTTP/1.1", 414, "bounded"),
    _start("quotes in the method", b'G"T / HTTP/1.1', 400, "HG S6"),
    _start("NUL in the method", b"G\x00T / HTTP/1.1", 400, "HG S40"),
    _start("a method of ten thousand bytes", b"A" * 10_000 + b" / HTTP/1.1", 400, "bounded"),
    _start("a small method", b"get / HTTP/1.1", 400, "methods are capitals"),
    _start("an unknown method", b"FROBNICATE / HTTP/1.1", 400, "llhttp knows its methods"),
    _start("version 1.2", b"GET / HTTP/1.2", 505, "HG S5"),
    _start("version 2.0 as text", b"GET / HTTP/2.0", 505, "llhttp lets it pass"),
    _start("version 0.9 as text", b"GET / HTTP/0.9", 505, "llhttp lets it pass"),
    _start("version 1.32", b"GET / HTTP/1.32", 505, "HG S15"),
    _start("a version of many digits", b"GET / HTTP/4294967295.255", 505, "HG S24"),
    _start("a small version", b"GET / http/1.1", 400, "HG"),
    _start("no version", b"GET /", 400, "HTTP/0.9"),
    _start("RTSP", b"GET / RTSP/1.0", 400, "llhttp lets it pass"),
    _start("ICE", b"SOURCE / ICE/1.0", 400, "llhttp lets it pass"),
    Case(
        "a TLS hello",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        (400,),
        "the wrong port",
    ),
]

HOSTS = [
    Case("no Host", b"GET / HTTP/1.1\r\nX: a\r\n\r\n", (400,), "llhttp lets it pass"),
    Case(
        "two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", (400,), "llhttp lets it pass"
    ),
    _host(b"", 400),
    *(
        _host(value, 400)
        for value in (
            b"a/b",
            b"a@b",
            b"a,b",
            b"a b",
            b"a#b",
            b"a?b",
            b"a\\b",
            b"a:http",
            b"a:123456",
            b"a:80:80",
            b"[::1",
            b"::1",
            b"[zz]",
            b"a" * 300,
            b"\xe4",
            b"a\x00b",
        )
    ),
    *(
        _host(value, 200)
        for value in (b"a.example", b"a.example:8080", b"[::1]:80", b"A_b-c", b"10.0.0.1")
    ),
    Case(
        "the target's authority wins",
        b"GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        (200,),
        "RFC 9112, 3.2.2",
        never=b"a.example",
        always=b"Host: b.example\r\n",
    ),
]

BOUNDARIES = [
    Case(
        "a GET with a length keeps its body",
        head(b"Content-Length: 5", start=b"GET / HTTP/1.1", body=b"hello"),
        (200,),
        "HG T21",
        always=b"Content-Length: 5\r\n\r\nhello",
    ),
    Case("three pipelined requests", SMUGGLED * 3, (200, 200, 200), "HG S48", never=b"/never"),
    Case(
        "bytes behind Connection: close",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + SMUGGLED,
        (200,),
        "HG S45",
        paced=False,
    ),
    Case(
        "a good request, then a bad one",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost : a\r\n\r\n",
        (200, 400),
        "what was fine is answered",
    ),
    Case(
        "a body is never read as a request",
        head(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
        (200,),
        "CL.0",
        never=b"/never",
    ),
    Case(
        "an upgrade to h2c goes no further",
        head(
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABk",
            start=b"GET / HTTP/1.1",
        ),
        (200,),
        "h2csmuggler",
        never=b"h2c",
    ),
    Case(
        "OPTIONS of the server", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", (200,), "RFC 9112, 3.2.4"
    ),
]

CASES = [*LENGTHS, *CODINGS, *CHUNKS, *LINES, *STARTS, *HOSTS, *BOUNDARIES]
