"""Plain ASGI answers, for the ways that need no framework."""

import asyncio
from collections.abc import Iterable
from typing import Final

from starlette.types import Message, Receive, Send

from tracing.pipeline.intake import Held, Intake

# The real server's type for every refusal's text, literally.
TEXT: Final = "text/*"
_DISCONNECT: Final = "http.disconnect"
NOT_FOUND: Final = (404, "404 Not Found", "text/plain; charset=utf-8")
NOT_ALLOWED: Final = (405, "405 Method Not Allowed", "text/plain; charset=utf-8")


class TooLargeError(Exception):
    """The body is over the cap; the rest of it was not read."""


class SlowError(Exception):
    """The body was not whole in time."""


class GoneError(Exception):
    """The sender went away before its body was whole; what came of it is no message."""


async def answer(
    send: Send,
    status: int,
    text: str | bytes = "",
    content_type: str | None = None,
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    close: bool = False,
) -> None:
    """One whole answer."""
    body = text.encode() if isinstance(text, str) else text
    headers = [(b"content-length", str(len(body)).encode()), *headers]
    if content_type is not None:
        headers.append((b"content-type", content_type.encode()))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive, bytes_max: int, intake: Intake) -> bytes:
    """The whole body. What came of it counts in the intake until it is whole.

    Raises: TooLargeError as soon as it is more than bytes_max, FullError, SlowError, GoneError.
    """
    message: Message = await receive()
    if message["type"] == _DISCONNECT:
        raise GoneError
    whole: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(whole) <= bytes_max:
        return whole
    body = bytearray(whole)  # no list: of pieces of a byte that would be forty times as large
    try:
        with Held(intake) as held:
            async with asyncio.timeout(intake.within_s):
                while message.get("more_body", False) and len(body) <= bytes_max:
                    held.now(len(body))
                    message = await receive()
                    if message["type"] == _DISCONNECT:
                        raise GoneError
                    body += message.get("body", b"")
    except TimeoutError as error:
        raise SlowError from error
    if len(body) > bytes_max:
        raise TooLargeError
    return bytes(body)
