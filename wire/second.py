"""llhttp, which reads every message beside us: where the two disagree, nobody is right."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

import httptools

from wire.errors import BadRequest, BadResponse

if TYPE_CHECKING:
    from wire.body import BodyReader


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...


class SecondReader(ABC):
    """One connection's messages, one behind the other: requests, or answers.

    Shape: `complete` tells that the message which `head` began is at its end. Bytes that llhttp
    refuses raise the error of that side.
    """

    __slots__ = ("_parser", "complete")

    def __init__(self) -> None:
        self._parser = self._new()
        self.complete = False

    @abstractmethod
    def _new(self) -> _Parser:
        """A parser that calls us."""

    @abstractmethod
    def _refusal(self, reason: str) -> Exception:
        """What is raised for bytes that are refused."""

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
            raise self._refusal(str(error)) from None
        return False

    def body(self, body: BodyReader, data: bytes) -> list[bytes]:
        """The pieces of a body in these bytes; at its end both readers must agree."""
        pieces = body.feed(data)
        rest = body.rest
        try:
            self._parser.feed_data(data[: len(data) - len(rest)] if rest else data)
        except httptools.HttpParserError as error:
            raise self._refusal(str(error)) from None
        if body.done and not self.complete:
            raise self._refusal("the end of the body is ambiguous")
        return pieces

    def restart(self) -> None:
        """Forget the message: llhttp would wait for more of it."""
        self._parser = self._new()

    def close(self) -> None:
        """Take no more. The parser refers to us: else both would wait for the collector."""
        del self._parser


class SecondRequests(SecondReader):
    """A client's messages."""

    __slots__ = ()

    def _new(self) -> _Parser:
        made: _Parser = httptools.HttpRequestParser(self)
        return made

    def _refusal(self, reason: str) -> Exception:
        return BadRequest(reason)


class SecondAnswers(SecondReader):
    """An endpoint's messages."""

    __slots__ = ()

    def _new(self) -> _Parser:
        made: _Parser = httptools.HttpResponseParser(self)
        return made

    def _refusal(self, reason: str) -> Exception:
        return BadResponse(reason)
