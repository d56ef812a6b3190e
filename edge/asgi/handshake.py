"""The handshake of a WebSocket with a service, for the application door.

The client's has ended at the server, so this one is made anew: with the same head as the engine's
tunnel, judged by the same rules.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge.asgi.transport import CONNECT_TIMEOUT_S
from proxy.call import Again, Reply
from proxy.errors import ConnectFailed, UpstreamBroken, UpstreamClosed, UpstreamError
from wire.errors import BadResponse
from wire.head import header_lines, values
from wire.response import read_response_head
from wire.upgrade import WEBSOCKET, check_switch, upgrade_lines

if TYPE_CHECKING:
    from starlette.types import Scope, Send

    from proxy.call import Call, EndpointPool
    from wire.request import RequestHead
    from wire.response import ResponseHead

_HEAD_BYTES_MAX: Final = 65_536
_BODY_BYTES_MAX: Final = 65_536  # of an answer that refuses
SWITCHING: Final = 101
# The handshake is made anew on each side, so these end here.
_OF_ONE_SIDE: Final = frozenset(
    {
        *(b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version"),
        *(b"sec-websocket-extensions", b"sec-websocket-accept"),
    }
)


def handshake_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The request's headers with a handshake of our own in place of the client's."""
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in _OF_ONE_SIDE]
    return [
        *kept,
        (b"Connection", b"Upgrade"),
        (b"Upgrade", WEBSOCKET),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", base64.b64encode(os.urandom(16))),
    ]


@dataclass(frozen=True, slots=True)
class Opened:
    """A service's side, and what to tell the client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    accepted: dict[str, Any]


async def open_upstream(call: Call, request: RequestHead) -> Opened | Reply:
    """A service's WebSocket, or whoever's answer there is in place of one."""
    while True:
        pool = call.dial()
        if isinstance(pool, Reply):
            return pool
        outcome: bytes | Again | Reply
        writer = None
        try:
            async with asyncio.timeout(call.timeout_s):
                reader, writer = await _connect(pool)
                writer.write(call.head() + upgrade_lines(WEBSOCKET) + b"\r\n\r\n")
                head = await _read_head(reader)
                response = read_response_head(head, request.method)
                if response.status == SWITCHING:
                    check_switch(request, response)
        except (OSError, asyncio.IncompleteReadError, BadResponse, TimeoutError) as trouble:
            outcome = call.on_failure(_told(trouble, writer), replayable=True)
        else:
            outcome = call.on_response(response, replayable=True)
            if isinstance(outcome, bytes):
                if response.status == SWITCHING:
                    return Opened(reader, writer, _accept(outcome))
                body = await _body(reader, response)
                writer.close()
                return Reply(response.status, body, outcome)
        if writer is not None:
            writer.close()
        if isinstance(outcome, Reply):
            return outcome
        assert isinstance(outcome, Again)
        await asyncio.sleep(outcome.delay_s)


async def _connect(pool: EndpointPool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = None if pool.tls is None else pool.tls.tls.context
    name = None if pool.tls is None else pool.tls.name or pool.ip
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        return await asyncio.open_connection(
            pool.ip, pool.port, ssl=context, server_hostname=name, limit=_HEAD_BYTES_MAX
        )


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise BadResponse("the answer's head is too large") from None


async def _body(reader: asyncio.StreamReader, response: ResponseHead) -> bytes:
    length = min(response.content_length or 0, _BODY_BYTES_MAX)
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        return await reader.readexactly(length)
    return b""


def _told(trouble: Exception, writer: asyncio.StreamWriter | None) -> UpstreamError:
    if writer is None:
        return ConnectFailed(str(trouble) or "no connection in time")
    if isinstance(trouble, BadResponse):
        return UpstreamBroken(str(trouble))
    return UpstreamClosed(str(trouble))


def _accept(block: bytes) -> dict[str, Any]:
    """The answer to the client: the service's choice of a subprotocol, and its headers."""
    chosen = values(block, b"sec-websocket-protocol")
    headers = [
        (name.lower(), value)
        for name, value in header_lines(block)
        if name.lower() not in _OF_ONE_SIDE and name.lower() != b"sec-websocket-protocol"
    ]
    subprotocol = chosen[0].decode("latin-1") if len(chosen) == 1 else None
    return {"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers}


async def deny(scope: Scope, send: Send, refused: Reply) -> None:
    """Answer a handshake in the negative; servers that know no way to say how answer 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1000})
        return
    headers = [
        (name.lower(), value)
        for name, value in header_lines(refused.block)
        if name.lower() not in (b"content-length", b"transfer-encoding")
    ]
    headers.append((b"content-length", b"%d" % len(refused.body)))
    start = {"type": "websocket.http.response.start", "status": refused.status}
    await send({**start, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": refused.body})
