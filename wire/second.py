"""llhttp, which reads every message beside us: where the two disagree, nobody is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable

    from wire.body import BodyReader


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...


class SecondReader:
    """One connection's messages, one behind the other.

    Shape: `make` is httptools' parser of requests or of answers; `refused` makes the error that is
    raised for what llhttp refuses. `complete`: the message that `head` began is at its end.
    """

    __slots__ = ("_make", "_parser", "_refused", "complete")

    def __init__(
        self, make: Callable[[object], _Parser], refused: Callable[[str], Exception]
    ) -> None:
        self._make = make
        self._refused = refused
        self._parser: _Parser = make(self)
        self.complete = False

    def on_message_complete(self) -> None:
        """Called by llhttp."""
        self.complete = True

    def head(self, data: bytes) -> bool:
        """Take a head, and what is behind it; whether it asks to leave HTTP."""
        self.complete = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.restart()
            return True
        except httptools.HttpParserError as error:
            raise self._refused(str(error)) from None
        return False

    def body(self, body: BodyReader, data: bytes) -> list[bytes]:
        """The pieces of a body in these bytes; at its end both readers must agree."""
        pieces = body.feed(data)
        rest = body.rest
        try:
            self._parser.feed_data(data[: len(data) - len(rest)] if rest else data)
        except httptools.HttpParserError as error:
            raise self._refused(str(error)) from None
        if body.done and not self.complete:
            raise self._refused("the end of the body is ambiguous")
        return pieces

    def restart(self) -> None:
        """Forget the message: llhttp would wait for more of it."""
        self._parser = self._make(self)

    def close(self) -> None:
        """Take no more. The parser refers to us: else both would wait for the collector."""
        del self._parser
