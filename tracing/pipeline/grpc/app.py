"""Unary gRPC calls as an ASGI application; the server below it speaks HTTP/2 (http/h2c)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.types import Receive, Scope, Send

from tracing.pipeline.grpc.message import CODINGS, PREFIX, Code, GrpcError, frame, trailers, unframe
from tracing.pipeline.http.answers import GoneError, SlowError, TooLargeError, answer, read_body
from tracing.pipeline.http.collect import BODY_BYTES_MAX
from tracing.pipeline.intake import FullError, Intake

CONTENT_TYPE: Final = b"application/grpc"

# One message in, one out. Raises: GrpcError.
Method = Callable[[bytes], Awaitable[bytes]]


class GrpcApp:
    """Calls by their paths, such as /package.Service/Method.

    `refused` is told of each call whose message could not even be read.
    """

    def __init__(
        self, methods: Mapping[str, Method], intake: Intake, refused: Callable[[], None]
    ) -> None:
        self._methods = methods
        self._intake = intake
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call. Refusals are answers of status 200 whose grpc-status says why."""
        headers = dict(scope["headers"])
        if scope["http_version"] != "2":
            await answer(send, 505, "gRPC needs HTTP/2", "text/plain", close=True)
        elif scope["method"] != "POST" or not _is_grpc(headers.get(b"content-type", b"")):
            await answer(send, 415, "expected a POST of application/grpc", "text/plain")
        elif scope["path"] not in self._methods:
            await _end(send, Code.UNIMPLEMENTED, f"no method {scope['path']}")
        else:
            method = self._methods[scope["path"]]
            try:
                message = await self._message(receive, headers.get(b"grpc-encoding", b""))
                reply = await method(message)
            except GoneError:
                return
            except GrpcError as error:
                await _end(send, error.code, str(error))
            else:
                await _reply(send, reply)

    async def _message(self, receive: Receive, coding: bytes) -> bytes:
        try:
            body = await read_body(receive, BODY_BYTES_MAX + PREFIX.size, self._intake)
            return unframe(body, coding)
        except (FullError, SlowError) as error:
            self._refused()
            text = "too many messages at once, or this one too slow; try later"
            raise GrpcError(Code.UNAVAILABLE, text) from error
        except TooLargeError as error:
            self._refused()
            text = f"the message is larger than {BODY_BYTES_MAX} bytes"
            raise GrpcError(Code.RESOURCE_EXHAUSTED, text) from error
        except (GrpcError, GoneError):
            self._refused()
            raise


def _is_grpc(content_type: bytes) -> bool:
    """With a message's format behind it or without; gRPC-Web is another protocol."""
    return content_type == CONTENT_TYPE or content_type.startswith(
        (b"application/grpc+", b"application/grpc;")
    )


_HEADERS: Final = ((b"content-type", CONTENT_TYPE), (b"grpc-accept-encoding", CODINGS))


async def _end(send: Send, code: Code, text: str) -> None:
    """An answer that is its trailers alone."""
    headers = [*_HEADERS, *trailers(code, text)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body"})


async def _reply(send: Send, reply: bytes) -> None:
    start = {"type": "http.response.start", "status": 200, "headers": _HEADERS, "trailers": True}
    await send(start)
    await send({"type": "http.response.body", "body": frame(reply)})
    await send({"type": "http.response.trailers", "headers": trailers(Code.OK)})
