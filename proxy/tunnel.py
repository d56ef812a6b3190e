"""Two connections that have switched protocols: bytes cross both ways until one side ends.

Begun by an exchange whose upstream answered 101 (`wire/upgrade.py` judged it). Whichever side is
slow, the other stops being read. A side that sends no more is told to the other, which may go on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.connections import Connections

# How long what is written may take to leave, once the other side has gone.
_FLUSH_S: Final = 5.0


class Tunnel:
    """Owns both connections from the 101 on.

    on_end: called once, when both are gone, with the bytes that went up and down.
    """

    __slots__ = ("_down", "_listener", "_on_end", "_open", "_up", "deadline")

    idle: Final = False  # to a listener that drains: something is always under way

    def __init__(
        self,
        listener: Connections,
        down: asyncio.Transport,
        up: asyncio.Transport,
        on_end: Callable[[int, int], None],
    ) -> None:
        self._listener = listener
        self._on_end = on_end
        self._open = 2
        self._down = _Side(self, down)
        self._up = _Side(self, up)
        self._down.other, self._up.other = self._up, self._down
        self.deadline = listener.loop.time() + listener.settings.tunnel_idle_timeout_s

    def start(self, first_down: bytes, first_up: bytes = b"") -> None:
        """Take over. Both sides' first bytes are those that nobody has sent on yet."""
        for side in (self._down, self._up):
            side.transport.set_protocol(side)
            side.transport.resume_reading()
        self._down.transport.write(first_down)
        if first_up:
            self._up.transport.write(first_up)

    # ---- called by the listener

    def on_deadline(self) -> None:
        """Nothing moved for too long."""
        self.abort_exchange()

    def close_after_answer(self) -> None:
        """Nothing: a tunnel has no end of its own before the drain's deadline."""

    def abort_exchange(self) -> None:
        """End both connections now."""
        self._down.transport.abort()
        self._up.transport.abort()

    # ---- called by the sides

    def touch(self) -> None:
        """Bytes moved, or can move again."""
        settings = self._listener.settings
        stalled = self._down.stalled or self._up.stalled
        if not stalled and self._open == 2:  # noqa: PLR2004 - both
            self.deadline = self._listener.loop.time() + settings.tunnel_idle_timeout_s

    def stall(self) -> None:
        """A side takes no more: it gets the time that any slow reader gets."""
        self.deadline = self._listener.loop.time() + self._listener.settings.send_timeout_s

    def lose(self, side: _Side, exc: Exception | None) -> None:
        """One connection is gone; the other is closed once it is flushed."""
        self._open -= 1
        if self._open:
            self.deadline = self._listener.loop.time() + _FLUSH_S
            if exc is None:
                side.other.transport.close()
            else:
                side.other.transport.abort()
            return
        self._listener.end_tunnel(self)
        self._on_end(self._down.taken, self._up.taken)


class _Side(asyncio.Protocol):
    """One of the two connections; what comes from it goes to the other."""

    __slots__ = ("_tunnel", "ended", "other", "stalled", "taken", "transport")

    other: _Side

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport) -> None:
        self._tunnel = tunnel
        self.ended = False
        self.transport = transport
        self.stalled = False
        self.taken = 0

    def data_received(self, data: bytes) -> None:
        self.taken += len(data)
        self.other.transport.write(data)
        self._tunnel.touch()

    def eof_received(self) -> bool:
        """Half-close goes through; a side that cannot be half-closed (TLS) is closed."""
        self.ended = True
        other = self.other
        halves = self.transport.can_write_eof() and other.transport.can_write_eof()
        if other.ended or not halves:
            other.transport.close()
            return False
        other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        self.stalled = True
        self.other.transport.pause_reading()
        self._tunnel.stall()

    def resume_writing(self) -> None:
        self.stalled = False
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()
        self._tunnel.touch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tunnel.lose(self, exc)
