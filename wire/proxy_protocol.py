"""The PROXY protocol: a balancer's word on who the client is, before any byte of his.

Pure: bytes in, an address out. Source: HAProxy, "The PROXY protocol, versions 1 & 2".
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

from wire.errors import WireError

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"  # section 2.2
V1: Final = b"PROXY "
V1_BYTES_MAX: Final = 107  # section 2.1: the longest line, with its CRLF
# Addresses take 36 bytes and a client certificate's facts about 300; the field would allow 65,535.
V2_BODY_BYTES_MAX: Final = 4_096

_V2_HEAD_BYTES: Final = 16
_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}")
_PORT_MAX: Final = 65_535
_VERSION: Final = 0x20
_LOCAL: Final = 0x0
_PROXY: Final = 0x1
_TCP4: Final = 0x11
_TCP6: Final = 0x21
_UNIX_BYTES: Final = 216
# Bytes of the addresses by family; section 2.2. UDP is no stream, so it cannot be what we got.
_ADDRESS_BYTES: Final = {0x00: 0, _TCP4: 12, _TCP6: 36, 0x31: _UNIX_BYTES}
_TLV_HEAD_BYTES: Final = 3
_CRC32C: Final = 0x03


class BadProxyHeader(WireError):
    """A trusted peer did not begin with a whole PROXY header: close, and say nothing."""


class ProxyHeader(NamedTuple):
    """What a header said.

    Shape: addresses as text, IPv6 in its short form. `source` is None when the balancer speaks for
    itself (LOCAL) or does not know (UNKNOWN, Unix sockets): the connection's own address holds.
    """

    version: int
    source: tuple[str, int] | None
    destination: tuple[str, int] | None


class ProxyReader:
    """Reads one header from the beginning of a stream, however the bytes are split."""

    def __init__(self) -> None:
        self.header: ProxyHeader | None = None
        self._buffer = b""

    def feed(self, data: bytes) -> int:
        """Take bytes; returns how many of them belong to the header.

        All of them until `header` is set; what follows is the client's own.
        Raises: BadProxyHeader, as soon as no continuation could mend it.
        """
        before = len(self._buffer)
        buffer = self._buffer + data[: _V2_HEAD_BYTES + V2_BODY_BYTES_MAX]
        size = self._read_v1(buffer) if buffer[:1] == V1[:1] else self._read_v2(buffer)
        if self.header is None:
            self._buffer = buffer
            return len(data)
        self._buffer = b""
        return size - before

    def _read_v1(self, buffer: bytes) -> int:
        if not buffer.startswith(V1[: len(buffer)]):
            raise BadProxyHeader("not a PROXY line")
        end = buffer.find(b"\n", 0, V1_BYTES_MAX)
        line = buffer[: end + 1] if end >= 0 else buffer
        body = line[:-2] if end >= 0 else line[:-1]
        if b"\r" in body or (end >= 0 and not line.endswith(b"\r\n")):
            raise BadProxyHeader("a PROXY line ends in CRLF, and nowhere else")
        if end >= 0:
            self.header = _v1_header(body)
        elif len(buffer) >= V1_BYTES_MAX:
            raise BadProxyHeader("the PROXY line is too long")
        return len(line)

    def _read_v2(self, buffer: bytes) -> int:
        if not buffer.startswith(SIGNATURE[: len(buffer)]):
            raise BadProxyHeader("no PROXY header")
        if len(buffer) < _V2_HEAD_BYTES:
            return 0
        version, family = buffer[12], buffer[13]
        if version & 0xF0 != _VERSION or version & 0x0F > _PROXY:
            raise BadProxyHeader("an unknown PROXY version or command")
        size = int.from_bytes(buffer[14:16], "big")
        if size > V2_BODY_BYTES_MAX:
            raise BadProxyHeader("the PROXY header is too long")
        local = version & 0x0F == _LOCAL
        if family not in _ADDRESS_BYTES and not local:
            raise BadProxyHeader("PROXY names a family that no stream has")
        if not local and size < _ADDRESS_BYTES[family]:
            raise BadProxyHeader("the PROXY header is too short for its addresses")
        whole = _V2_HEAD_BYTES + size
        if len(buffer) >= whole:
            self.header = _v2_header(buffer[:whole], family, local=local)
        return whole


def _v1_header(line: bytes) -> ProxyHeader:
    words = line.decode("latin-1").split(" ")
    if words[1:2] == ["UNKNOWN"]:
        return ProxyHeader(1, None, None)  # section 2.1: the rest of the line must be ignored
    if len(words) != len(("PROXY", "family", "source", "destination", "port", "port")):
        raise BadProxyHeader("a PROXY line has six words")
    _, family, source, destination, source_port, destination_port = words
    if family not in {"TCP4", "TCP6"}:
        raise BadProxyHeader("PROXY names a family that no stream has")
    version = 4 if family == "TCP4" else 6
    return ProxyHeader(
        1,
        (_address(source, version), _port(source_port)),
        (_address(destination, version), _port(destination_port)),
    )


def _address(text: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise BadProxyHeader("a PROXY line names no address") from None
    if address.version != version or "%" in text:
        raise BadProxyHeader("an address of another family than the PROXY line's")
    return str(address)


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > _PORT_MAX:
        raise BadProxyHeader("a PROXY line names no port")
    return int(text)


def _v2_header(header: bytes, family: int, *, local: bool) -> ProxyHeader:
    if local:
        return ProxyHeader(2, None, None)  # section 2.2: addresses and all are to be discarded
    begin = _V2_HEAD_BYTES
    end = begin + _ADDRESS_BYTES[family]
    _check_tlvs(header, end)
    if family not in {_TCP4, _TCP6}:
        return ProxyHeader(2, None, None)
    size = 4 if family == _TCP4 else 16
    source = ipaddress.ip_address(header[begin : begin + size])
    destination = ipaddress.ip_address(header[begin + size : begin + 2 * size])
    ports = header[end - 4 : end]
    return ProxyHeader(
        2,
        (str(source), int.from_bytes(ports[:2], "big")),
        (str(destination), int.from_bytes(ports[2:], "big")),
    )


def _check_tlvs(header: bytes, at: int) -> None:
    """The vectors must fill the header exactly, and a checksum among them must be right."""
    while at < len(header):
        begin = at + _TLV_HEAD_BYTES
        size = int.from_bytes(header[at + 1 : begin], "big")
        if begin + size > len(header):
            raise BadProxyHeader("a PROXY vector is longer than its header")
        if header[at] == _CRC32C:
            # Section 2.2.3: counted with the checksum's own bytes as zeros.
            zeroed = header[:begin] + bytes(size) + header[begin + size :]
            if size != 4 or int.from_bytes(header[begin : begin + 4], "big") != crc32c(zeroed):  # noqa: PLR2004
                raise BadProxyHeader("the PROXY header's checksum is wrong")
        at = begin + size


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            # RFC 3720, B.4: Castagnoli's polynomial, reflected.
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, B.4, as an unsigned number."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
