"""Fifty-six attacks on a proxy's framing and syntax, and what holds each.

Shape: number → (the attack, what must happen, what holds it). What holds it is the name of a case
in `cases.py`, of an answer in `answers.py`, or a test (`file::name`); `test_attacks.py` checks that
each is there.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Attack(NamedTuple):
    """One line of the table."""

    what: str
    must: str
    held: tuple[str, ...]


_GADGETS: Final = "test_gadgets.py::test_a_spoilt_coding_is_refused_or_frames_nothing"
_HELD: Final = "test_strictness.py::test_what_is_held_of_endless_heads_is_bounded"
_BOUNDS: Final = "../proxy/test_bounds.py::"
_ENGINE: Final = "../proxy/test_engine.py::"
_ENDS: Final = "../proxy/test_ends.py::"

ATTACKS: Final[dict[int, Attack]] = {
    1: Attack("a length and a coding", "400", ("CL and TE", "TE and CL")),
    2: Attack("two lengths", "400", ("two lengths, low first", "two lengths, high first")),
    3: Attack("two equal lengths", "400", ("two equal lengths", "a list of equal lengths")),
    4: Attack(
        "a length that is no number",
        "400",
        tuple(
            f"Content-Length {value!r}" for value in (b"+5", b"-48", b"0x10", b"1_0", b"1Z", b"1 0")
        ),
    ),
    5: Attack("no length", "400", ("Content-Length b''", "empty length before a number")),
    6: Attack(
        "a length with leading zeros",
        "decimal, written anew",
        ("a length that is no octal number", "a length with leading zeros is written anew"),
    ),
    7: Attack(
        "a length beyond 2^63, 2^64",
        "400",
        ("Content-Length b'9223372036854775808'", "Content-Length b'18446744073709551616'"),
    ),
    8: Attack("`,chunked`", "400", ("Transfer-Encoding b',chunked'",)),
    9: Attack(
        "codings that are not quite chunked",
        "400",
        tuple(
            f"Transfer-Encoding {value!r}"
            for value in (
                b"chunked,",
                b"chunked, gzip",
                b"identity",
                b"xchunked",
                b'"chunked"',
                b"chunked;q=1",
            )
        ),
    ),
    10: Attack("`gzip, chunked`", "501", ("Transfer-Encoding b'gzip, chunked'",)),
    11: Attack("two codings", "400", ("TE twice", "TE twice, one odd")),
    12: Attack(
        "a coding wrapped in odd bytes",
        "400",
        tuple(
            f"Transfer-Encoding {value!r}"
            for value in (b"\xa0chunked", b"chunked\x85", b"\xffchunked", b"\x0bchunked")
        ),
    ),
    13: Attack("an unknown coding and a length", "400", ("unknown TE with a length",)),
    14: Attack("HTTP/1.0 with a coding", "400", ("HTTP/1.0 with TE", "chunks in HTTP/1.0")),
    15: Attack(
        "every way to spoil the coding's line",
        "refused, or no framing, and look-alikes go no further",
        (_GADGETS, "the look-alike b'Transfer_Encoding: chunked' never frames and stays here"),
    ),
    16: Attack(
        "a chunk size that is no number",
        "400",
        tuple(f"chunk size {value!r}" for value in (b"0x5", b"+5", b"-1", b"0_5", b"5zz")),
    ),
    17: Attack(
        "no chunk size, or a blank before it", "400", ("chunk size b''", "chunk size b' 5'")
    ),
    18: Attack(
        "a chunk size beyond 2^64, or of 5,000 zeros",
        "400",
        (
            "chunk size b'10000000000000005'",
            f"chunk size {b'0' * 20!r}",
            "a chunk size beyond 2^64",
        ),
    ),
    19: Attack(
        "CR or LF in a chunk extension",
        "400",
        ("CR in an extension", "LF in an extension", "LF in a chunk extension"),
    ),
    20: Attack("chunk extensions over 4 KiB", "400", ("a long extension", "many extensions")),
    21: Attack("two bytes where CRLF belongs", "400", ("two bytes where CRLF belongs",)),
    22: Attack(
        "bare LF, or CR and a byte, in chunks",
        "400",
        ("bare LF after a size", "bare LF after data", "CR and another byte after a size"),
    ),
    23: Attack("CRLF before the last chunk", "400", ("an extra CRLF before the last chunk",)),
    24: Attack("a byte behind the last chunk", "200, then 400", ("a byte behind the last chunk",)),
    25: Attack(
        "trailers that speak for a head",
        "dropped and counted; framing refused",
        (
            "trailer b'l5d-dtab' stays here",
            "trailer b'Host' stays here",
            "trailer b'Authorization' stays here",
            "trailer b'Cookie' stays here",
            "a length as trailer",
            "a coding as trailer",
            "trailers that speak for us stay here",
            _ENGINE + "test_trailers_that_only_a_head_may_carry_are_counted",
        ),
    ),
    26: Attack("GET with a body", "both go on", ("a GET with a length keeps its body",)),
    27: Attack("three pipelined requests", "in order", ("three pipelined requests",)),
    28: Attack("bytes behind Connection: close", "ignored", ("bytes behind Connection: close",)),
    29: Attack(
        "Expect, a final answer, then the body",
        "the upstream's connection carries no more",
        ("a final answer to a request that waits to send its body",),
    ),
    30: Attack("odd expectations", "417", ("an unknown expectation", "an expectation twice")),
    31: Attack(
        "an upstream that ignores a length",
        "its connection carries no more",
        ("answered before the body is there", "refused before the body is there"),
    ),
    32: Attack(
        "a client that vanishes within its body",
        "the upstream's connection ends, the spans say so",
        (
            _ENDS + "test_a_client_that_leaves_within_its_body_ends_the_exchange_at_once",
            "test_gone.py::test_a_client_that_vanishes_within_its_body_leaves_a_mark_on_its_spans",
        ),
    ),
    33: Attack(
        "an upstream that answers twice, or more than it said",
        "nobody else gets it",
        ("a second answer", "a second answer behind chunks", "one byte too many"),
    ),
    34: Attack(
        "an answer of doubtful framing",
        "502",
        (
            "CL and TE",
            "a chunk size in hexadecimal's prefix",
            "a line b'X: a\\x00b'",
            "status line b'HTTP/1.1 200 O\\x00K'",
        ),
    ),
    35: Attack(
        "a body where none may be, an unasked 101, endless 1xx",
        "bounded, 502",
        (
            "a body for HEAD",
            "a body for 204",
            "a body for 304",
            "101 that nobody asked for",
            "endless 1xx",
        ),
    ),
    36: Attack(
        "NUL, CR or LF in a value, first, within, last",
        "400",
        tuple(
            f"a value {where} {bad!r}"
            for where in ("that begins with", "with", "that ends with")
            for bad in (b"\x00", b"\r", b"\n")
        ),
    ),
    37: Attack(
        "control bytes in a value", "400", ("a value with b'\\x01'", "a value with b'\\x7f'")
    ),
    38: Attack(
        "CR alone ends a line, or a head",
        "400",
        ("CR alone ends a line", "CR and a byte end a head", "CR CR LF"),
    ),
    39: Attack("LF alone ends a line", "400", ("LF ends every line", "LF ends one line")),
    40: Attack(
        "folded lines",
        "400",
        ("a value with b'\\r\\n c'", "a value with b'\\r\\n\\tc'", "a name split by a fold"),
    ),
    41: Attack(
        "blanks before a colon or the first header",
        "400",
        (
            "a blank before the colon",
            "a tab before the colon",
            "a blank before the first header",
        ),
    ),
    42: Attack("no colon, no name", "400", ("no colon", "no name", "a lone colon")),
    43: Attack(
        "names that are no tokens",
        "400",
        ("a name with b'('", "a name with b'@'", "a name with b'\\x80'", "a name with b'\\xff'"),
    ),
    44: Attack(
        "0x85 or 0xA0 around a value",
        "not touched",
        (
            "obs-text in b'X: \\x85a\\x85' is not touched",
            "obs-text in b'X: \\xa0a\\xa0' is not touched",
        ),
    ),
    45: Attack("no Host, two, an empty one", "400", ("no Host", "two Hosts", "Host b''")),
    46: Attack(
        "a Host that is none",
        "400",
        tuple(
            f"Host {value!r}"
            for value in (b"a/b", b"a@b", b"a,b", b"a b", b"a\x00b", b"a:http", b"[zz]")
        ),
    ),
    47: Attack("absolute form beside another Host", "the target", ("the target's authority wins",)),
    48: Attack(
        "blanks in the request line",
        "400",
        (
            "two blanks before the target",
            "two blanks before the version",
            "a tab",
            "CRLF first",
            "a blank in the target",
        ),
    ),
    49: Attack("HTTP/0.9", "400", ("no version",)),
    50: Attack(
        "other versions",
        "505 or 400",
        (
            "version 1.2",
            "version 1.32",
            "version 2.0 as text",
            "a version of many digits",
            "a small version",
        ),
    ),
    51: Attack("other protocols", "400", ("RTSP", "ICE")),
    52: Attack(
        "odd methods",
        "400",
        ("quotes in the method", "NUL in the method", "a method of ten thousand bytes"),
    ),
    53: Attack(
        "odd targets",
        "400",
        ("a star for GET", "a fragment", "a raw high byte", "NUL in the target"),
    ),
    54: Attack(
        "methods that ask the way",
        "405",
        ("CONNECT", "CONNECT to a path", "TRACE", "OPTIONS that counts hops"),
    ),
    55: Attack(
        "heads without an end",
        "431 or 414, memory bounded",
        ("ten thousand headers", "1 MB of header", "a target of 100 kB", _HELD),
    ),
    56: Attack(
        "slow heads, bodies and readers; connections that only idle",
        "ended; the others do not notice",
        (
            _ENDS + "test_a_slow_head_is_ended",
            _BOUNDS + "test_a_body_that_stops_coming_ends_with_both_connections",
            _BOUNDS + "test_a_body_that_drips_is_ended_though_it_never_stops",
            _BOUNDS + "test_a_client_that_does_not_read_its_answer_is_ended",
            _BOUNDS + "test_a_connection_that_says_nothing_is_ended",
            "test_crowd.py::test_ten_thousand_idle_connections_cost_little_and_hold_up_nobody",
        ),
    ),
}
