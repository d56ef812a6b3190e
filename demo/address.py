"""Listening addresses as Go writes them: `:7777`, `127.0.1.5:7777`, `[::1]:0`."""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

# Enough for the pools of every router of a local cluster to connect at one moment.
BACKLOG: Final = 1_024
PORT_MAX: Final = 65_535


class AddressError(Exception):
    """An address cannot be read or bound; the text is one line for the operator."""


def listen(address: str) -> tuple[socket.socket, str]:
    """Bind and listen; give the socket and the address with its real port.

    The host is bound alone; without a host every address is, IPv6 included where there is any.
    Raises: AddressError.
    """
    host, port = split(address)
    try:
        bound = _bind(host, port)
    except OSError as error:
        # The loop's own text repeats the address as a tuple.
        known = error.errno is not None and error.errno in errno.errorcode
        reason = os.strerror(error.errno or 0) if known else str(error)
        raise AddressError(f"listen on {address}: {reason[:1].lower()}{reason[1:]}") from None
    shown = f"[{host}]" if ":" in host else host
    return bound, f"{shown}:{bound.getsockname()[1]}"


def split(address: str) -> tuple[str, int]:
    """Split host and port; the host may be empty, the port 0. Raises: AddressError."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not (port.isascii() and port.isdigit()) or int(port[:6]) > PORT_MAX:
        raise AddressError(f"{address!r} is no address; write :7777 or 127.0.0.1:7777")
    if ":" in host and not bracketed:
        raise AddressError(f"{address!r}: write [{host}]:{port}")
    return host.removeprefix("[").removesuffix("]") if bracketed else host, int(port)


def _bind(host: str, port: int) -> socket.socket:
    if not host:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return socket.create_server(("", port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def plain(peer: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Write a peer's address; an IPv4 peer of a dual socket is written as IPv4."""
    host = peer[0].removeprefix("::ffff:")
    return f"[{host}]:{peer[1]}" if ":" in host else f"{host}:{peer[1]}"
