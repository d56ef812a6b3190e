"""What one client sends: heads and bodies, one behind the other, from bytes in any pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wire.body import request_body
from wire.errors import BadRequest
from wire.head import HEAD_END, drop_pattern
from wire.malformed import bad_request_line, check_partial_head
from wire.repeat import read_again, remember
from wire.request import read_request_head
from wire.second import SecondRequests

if TYPE_CHECKING:
    from wire.body import BodyReader
    from wire.limits import Limits
    from wire.request import RequestHead

_MALFORMED: Final = 400
_UPGRADE_LINE: Final = drop_pattern(b"upgrade")


class RequestReader:
    """The requests of one connection.

    Shape: `buffer` holds bytes that are not read yet; `body` is the one that is being read. While
    there is a body, what comes belongs to it, and `take_head` must not be called.
    """

    __slots__ = ("_last", "_limits", "_second", "body", "buffer")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._second = SecondRequests()
        self._last: RequestHead | None = None  # for a head that says the same lines again
        self.body: BodyReader | None = None
        self.buffer = b""

    def again(self, data: bytes) -> RequestHead | None:
        """The last request once more, if these bytes are one with the same lines.

        The caller answers for the last one being over.
        """
        last = self._last
        if last is None or self.buffer or not read_again(last, data, self._limits):
            return None
        return last

    def take_head(self) -> RequestHead | None:
        """The request whose head is whole in the buffer, or None. Raises: BadRequest."""
        data, limits = self.buffer, self._limits
        end = data.find(HEAD_END) + 4
        if end < 4 or end > limits.head_bytes_max:  # noqa: PLR2004 - find's -1, and 4
            check_partial_head(data if end < 4 else data[: end - 4], limits)  # noqa: PLR2004
            return None
        head, self.buffer = data[:end], data[end:]
        try:
            upgrade = self._second.head(head)
        except BadRequest as error:
            # A version that we do not speak has a status of its own.
            malformed = bad_request_line(head)
            raise (error if malformed.status == _MALFORMED else malformed) from None
        request = read_request_head(head, limits)
        has_body = request.has_body
        if upgrade and has_body:
            # A switch to HTTP/2, as Java's client and curl ask for: it may be passed over (RFC
            # 9110, 7.8), but httptools would have no body behind it.
            self._second.head(_UPGRADE_LINE.sub(b"", head))
        if has_body == self._second.complete:
            raise BadRequest("the end of the request is ambiguous")
        last = self._last
        if last is not None:
            request.verdict = last.verdict
        self._last = remember(request, head)
        if has_body:
            self.body = request_body(request, limits)
        return request

    def take_body(self, body: BodyReader, data: bytes) -> list[bytes]:
        """The pieces of the body in these bytes. Raises: BadRequest."""
        pieces = self._second.body(body, data)
        if body.done:
            self.body = None
        return pieces

    def stop(self) -> None:
        """Whatever comes is no request any more."""
        self._last = self.body = None
        self.buffer = b""

    def close(self) -> None:
        """Its connection is gone."""
        self._second.close()
