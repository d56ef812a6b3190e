"""PROXY headers: what a trusted balancer may say, and what nobody may."""

from __future__ import annotations

import ipaddress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.proxy_protocol import (
    SIGNATURE,
    V2_BODY_BYTES_MAX,
    BadProxyHeader,
    ProxyHeader,
    ProxyReader,
    crc32c,
)

ports = st.integers(0, 65_535)
tlvs = st.lists(st.tuples(st.sampled_from([0x01, 0x02, 0x04, 0x20, 0xE0]), st.binary(max_size=40)))


def v1(family: str, source: str, destination: str, *numbers: int | str) -> bytes:
    return " ".join(["PROXY", family, source, destination, *map(str, numbers)]).encode() + b"\r\n"


def v2(addresses: bytes, family: int, vectors: bytes = b"", command: int = 0x21) -> bytes:
    body = addresses + vectors
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body


def vector(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def addresses(source: str, destination: str, *numbers: int) -> bytes:
    packed = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return packed + b"".join(number.to_bytes(2, "big") for number in numbers)


def read(data: bytes) -> ProxyHeader | None:
    reader = ProxyReader()
    reader.feed(data)
    return reader.header


FOUR = addresses("192.0.2.1", "198.51.100.2", 1, 2)
IP4_IN_V2 = v2(FOUR, 0x11)
ip4 = st.ip_addresses(v=4).map(str)
ip6 = st.ip_addresses(v=6).map(str)


@given(st.one_of(st.tuples(ip4, ip4), st.tuples(ip6, ip6)), ports, ports, tlvs)
def test_both_versions_say_the_same(
    pair: tuple[str, str], source_port: int, destination_port: int, more: list[tuple[int, bytes]]
) -> None:
    six = ":" in pair[0]
    vectors = b"".join(vector(kind, value) for kind, value in more)
    packed = addresses(*pair, source_port, destination_port)
    line = v1("TCP6" if six else "TCP4", *pair, source_port, destination_port)
    first, second = read(line), read(v2(packed, 0x21 if six else 0x11, vectors))
    assert first is not None
    assert second is not None
    assert first[1:] == second[1:] == ((pair[0], source_port), (pair[1], destination_port))


@given(
    st.sampled_from(
        [
            v1("TCP4", "192.0.2.1", "198.51.100.2", 1, 2),
            v1("TCP6", "::1", "2001:db8::2", 65_535, 0),
            b"PROXY UNKNOWN whatever it says\r\n",
            IP4_IN_V2,
            v2(b"", 0x00, command=0x20),
            v2(FOUR, 0x11, vector(0x04, bytes(20))),
        ]
    ),
    st.binary(max_size=20),
    st.lists(st.integers(0, 150)),
)
def test_any_split_gives_the_same_header_and_leaves_what_follows(
    header: bytes, follows: bytes, cuts: list[int]
) -> None:
    whole = header + follows
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    reader = ProxyReader()
    taken = 0
    for begin, end in pairwise(edges):
        if reader.header is None:
            taken += reader.feed(whole[begin:end])
    assert reader.header == read(header)
    assert taken == len(header)


@given(st.sampled_from([b"", b"PROXY ", SIGNATURE]), st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_our_error(begin: bytes, more: bytes) -> None:
    data = begin + more
    reader = ProxyReader()
    try:
        taken = reader.feed(data)
    except BadProxyHeader:
        return
    assert 0 <= taken <= len(data)
    assert reader.header is not None or taken == len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY\r\n",
        b"PROXY \r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        b"PROXY TCP4 1.2.3.4\r1.2.3.4 1 2\r\n",
        b"PROXY UNKNOWN \r \r\n",
        b"PROXY UNKNOWN " + b"x" * 100,
        SIGNATURE[:-1] + b"\r",
        SIGNATURE + b"\x11\x11\x00\x0c" + FOUR,
        SIGNATURE + b"\x22\x11\x00\x0c" + FOUR,
        v2(FOUR, 0x12),
        v2(FOUR, 0x41),
        v2(FOUR[:11], 0x11),
        v2(FOUR, 0x21),
        v2(FOUR, 0x11, b"\x01"),
        v2(FOUR, 0x11, b"\x01\x00"),
        v2(FOUR, 0x11, b"\x01\x00\x02x"),
        v2(FOUR, 0x11, b"\x01\xff\xff"),
        v2(FOUR, 0x11, vector(0x03, bytes(4))),
        v2(FOUR, 0x11, vector(0x03, bytes(3))),
        SIGNATURE + b"\x21\x11" + (V2_BODY_BYTES_MAX + 1).to_bytes(2, "big"),
    ],
)
def test_a_broken_header_is_refused(data: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        read(data)


@pytest.mark.parametrize("header", [IP4_IN_V2, v1("TCP4", "1.2.3.4", "1.2.3.4", 1, 2)])
def test_a_header_that_breaks_off_is_no_header(header: bytes) -> None:
    assert all(read(header[:size]) is None for size in range(len(header)))


def test_a_right_checksum_is_accepted() -> None:
    zeroed = v2(FOUR, 0x11, vector(0x03, bytes(4)) + vector(0x04, b"pad"))
    at = len(zeroed) - len(vector(0x04, b"pad")) - 4
    header = zeroed[:at] + crc32c(zeroed).to_bytes(4, "big") + zeroed[at + 4 :]
    assert read(header) == ProxyHeader(2, ("192.0.2.1", 1), ("198.51.100.2", 2))


def test_the_checksum_is_the_one_of_the_standard() -> None:
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(
    "header",
    [b"PROXY UNKNOWN\r\n", v2(b"", 0x00, command=0x20), v2(b"", 0x00), v2(bytes(216), 0x31)],
)
def test_who_speaks_for_himself_names_no_client(header: bytes) -> None:
    found = read(header)
    assert found is not None
    assert found.source is None
