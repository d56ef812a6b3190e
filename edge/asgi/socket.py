"""WebSockets of the application door: messages pass between the server and a service.

The server has ended the client's WebSocket, so what passes are messages, whole. Pings and
extensions stay on their side.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from edge.asgi.handshake import SWITCHING, deny, open_upstream
from proxy.call import Reply
from proxy.errors import UpstreamClosed

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from proxy.call import Call
    from wire.request import RequestHead

IDLE_TIMEOUT_S: Final = 300.0  # as long as the engine's tunnels
MESSAGE_BYTES_MAX: Final = 1_048_576
_READ_BYTES: Final = 65_536
# RFC 6455, 7.4.1
_WENT_AWAY, _TOO_BIG, _BROKEN = 1001, 1009, 1011


class AppSocket:
    """One WebSocket: the handshake with a service, then messages both ways."""

    def __init__(
        self, call: Call, request: RequestHead, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._call = call
        self._request = request
        self._scope = scope
        self._receive = receive
        self._send = send
        self._frames = Connection(ConnectionType.CLIENT)
        self._sent = self._received = 0
        self._moved_at = 0.0

    async def run(self) -> None:
        """From the handshake to the close."""
        status, error = 0, None
        writer: asyncio.StreamWriter | None = None
        try:
            opened = await open_upstream(self._call, self._request)
            if isinstance(opened, Reply):
                status = opened.status
                await deny(self._scope, self._send, opened)
                return
            reader, writer, accepted = opened.reader, opened.writer, opened.accepted
            status = SWITCHING
            await self._send(accepted)
            await self._both_ways(reader, writer)
        except (OSError, RemoteProtocolError) as broken:
            error = UpstreamClosed(str(broken))
            with contextlib.suppress(RuntimeError):  # the server has closed it already
                await self._send({"type": "websocket.close", "code": _BROKEN})
        finally:
            if writer is not None:
                writer.close()
            self._call.on_end(status, self._sent, self._received, error)

    # ---- messages

    async def _both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._moved_at = asyncio.get_running_loop().time()
        ways = (self._up(writer), self._down(reader, writer), self._watch())
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for result, task in zip(ended, tasks, strict=True):
            if task in done and isinstance(result, BaseException):
                raise result

    async def _watch(self) -> None:
        """Ends when nothing has moved for too long."""
        loop = asyncio.get_running_loop()
        while (left := self._moved_at + IDLE_TIMEOUT_S - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)
        await self._send({"type": "websocket.close", "code": _WENT_AWAY})

    async def _up(self, writer: asyncio.StreamWriter) -> None:
        """Messages of the client, until it goes."""
        while True:
            message = await self._receive()
            self._moved_at = asyncio.get_running_loop().time()
            if message["type"] == "websocket.disconnect":
                if self._frames.state is ConnectionState.OPEN:
                    close = CloseConnection(
                        message.get("code") or _WENT_AWAY, message.get("reason") or ""
                    )
                    await self._write(writer, close)
                return
            data = message.get("bytes")
            if data is None:
                await self._write(writer, TextMessage(message["text"]))
            else:
                await self._write(writer, BytesMessage(data))

    async def _write(
        self, writer: asyncio.StreamWriter, event: TextMessage | BytesMessage | CloseConnection
    ) -> None:
        try:
            raw = self._frames.send(event)
        except LocalProtocolError:  # a code that is none: the close goes without it
            raw = self._frames.send(CloseConnection(_WENT_AWAY))
        self._sent += len(raw)
        writer.write(raw)
        await writer.drain()  # a slow service makes the client wait

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Messages of the service, until it closes."""
        whole: list[Any] = []
        size = 0
        while True:
            raw = await reader.read(_READ_BYTES)
            self._moved_at = asyncio.get_running_loop().time()
            self._received += len(raw)
            self._frames.receive_data(raw or None)
            for event in self._frames.events():
                match event:
                    case Ping():
                        writer.write(self._frames.send(event.response()))
                        await writer.drain()
                    case TextMessage() | BytesMessage():
                        if event.data or not whole:  # pieces without a byte have no bound
                            whole.append(event.data)
                        size += len(event.data)
                        if size > MESSAGE_BYTES_MAX:
                            await self._send({"type": "websocket.close", "code": _TOO_BIG})
                            return
                        if event.message_finished:
                            await self._send(_message(whole))
                            whole, size = [], 0
                    case CloseConnection():
                        if self._frames.state is ConnectionState.REMOTE_CLOSING:
                            writer.write(self._frames.send(event.response()))
                        await self._send(_close(event))
                        return
                    case _:
                        pass
            if not raw:
                await self._send({"type": "websocket.close", "code": _BROKEN})
                return


def _message(parts: list[Any]) -> dict[str, Any]:
    if isinstance(parts[0], str):
        return {"type": "websocket.send", "text": "".join(parts)}
    return {"type": "websocket.send", "bytes": b"".join(map(bytes, parts))}


def _close(event: CloseConnection) -> dict[str, Any]:
    # 1005 and 1006 stand for closes without a code, and are never sent (RFC 6455, 7.4.1).
    code = event.code if event.code not in (1005, 1006) else 1000
    return {"type": "websocket.close", "code": int(code), "reason": event.reason or ""}
