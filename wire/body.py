"""Reading a body: chunked, of a length that its head tells, or up to the connection's end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wire.chunked import ChunkedReader

if TYPE_CHECKING:
    from wire.limits import Limits
    from wire.request import RequestHead
    from wire.response import ResponseHead


class BodyReader(Protocol):
    """Takes body bytes as they come and gives the data in them; one for each body."""

    @property
    def done(self) -> bool:
        """Whether its end was read."""

    @property
    def rest(self) -> bytes:
        """What came behind its end."""

    @property
    def trailers(self) -> bytes:
        """The block of its trailer lines, each led by CRLF."""

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of body data in these bytes, in order. Raises: BadRequest."""


class SizedReader:
    """A body of so many bytes."""

    __slots__ = ("_left", "done", "rest")

    trailers = b""  # none ever

    def __init__(self, size: int) -> None:
        self._left = size
        self.done = not size
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """As BodyReader says."""
        left = self._left - len(data)
        if left > 0:
            self._left = left
        else:
            self._left = 0
            self.done = True
            if left:
                data, self.rest = data[:left], data[left:]
        return [data] if data else []


class EndlessReader:
    """A body that ends with its connection."""

    __slots__ = ()

    done = False
    rest = b""
    trailers = b""

    def feed(self, data: bytes) -> list[bytes]:
        """As BodyReader says."""
        return [data] if data else []


def request_body(head: RequestHead, limits: Limits) -> BodyReader | None:
    """The reader of what follows the head of a request, or None for nothing."""
    if head.chunked:
        return ChunkedReader(limits)
    return SizedReader(head.content_length) if head.content_length else None


def answer_body(head: ResponseHead, limits: Limits) -> BodyReader | None:
    """The reader of what follows the head of an answer, or None for nothing."""
    if head.bodyless:
        return None
    if head.chunked:
        return ChunkedReader(limits)
    return EndlessReader() if head.content_length is None else SizedReader(head.content_length)
