"""One exchange of the application door: a routed call, carried by httpx."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import httpx

from proxy.call import Again, Reply
from proxy.errors import (
    AnswerTimeout,
    ConnectFailed,
    UpstreamBroken,
    UpstreamClosed,
    UpstreamError,
)
from wire.errors import BadResponse
from wire.head import header_lines
from wire.response import ResponseHead, read_response_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Send

    from proxy.call import Call
    from proxy.pool import Pool
    from wire.request import RequestHead

_CONNECT_TIMEOUT_S: Final = 2.0


class AppExchange:
    """Asks the call for endpoints until one answers; passes bodies on as they come."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        call: Call,
        request: RequestHead,
        receive: Receive,
        send: Send,
    ) -> None:
        self._transport = transport
        self._call = call
        self._request = request
        self._receive = receive
        self._send = send
        self._sent = 0
        self._received = 0
        self._status = 0

    async def run(self) -> Reply | None:
        """Carry the exchange; a Reply is still to be sent."""
        call = self._call
        error: UpstreamError | None = None
        try:
            async with asyncio.timeout(call.timeout_s) as patience:
                found = await self._answered()
                if isinstance(found, Reply):
                    self._status = found.status
                    return found
                response, block = found
                patience.reschedule(None)  # a body may take its time
            try:
                await self._pass_on(response, block)
            except httpx.HTTPError as broken:
                error = UpstreamClosed(str(broken) or type(broken).__name__)
                raise  # the server ends the connection, so the client notices
            finally:
                await response.aclose()
        except TimeoutError:
            outcome = call.on_failure(AnswerTimeout(f"{call.timeout_s} s"), replayable=False)
            assert isinstance(outcome, Reply)
            self._status = outcome.status
            return outcome
        finally:
            call.on_end(self._status, self._sent, self._received, error)
        return None

    async def _answered(self) -> tuple[httpx.Response, bytes] | Reply:
        """The first answer that is passed on, with its lines."""
        call = self._call
        while True:
            pool = call.dial()
            if isinstance(pool, Reply):
                return pool
            replayable = not self._request.has_body
            outcome: bytes | Again | Reply
            try:
                response = await self._transport.handle_async_request(self._upstream_request(pool))
            except httpx.ConnectError as refused:
                outcome = call.on_failure(ConnectFailed(str(refused)), replayable=replayable)
            except httpx.ConnectTimeout as late:
                outcome = call.on_failure(ConnectFailed(str(late)), replayable=replayable)
            except httpx.HTTPError as broken:
                outcome = call.on_failure(UpstreamClosed(str(broken)), replayable=replayable)
            else:
                try:
                    head = _response_head(response, self._request.method)
                except BadResponse as bad:
                    await response.aclose()
                    outcome = call.on_failure(UpstreamBroken(str(bad)), replayable=False)
                else:
                    self._status = response.status_code
                    outcome = call.on_response(head, replayable=replayable)
                    if isinstance(outcome, bytes):
                        return response, outcome
                    await response.aclose()
            if isinstance(outcome, Reply):
                return outcome
            assert isinstance(outcome, Again)
            await asyncio.sleep(outcome.delay_s)

    def _upstream_request(self, pool: Pool) -> httpx.Request:
        """The request for one endpoint. Raises: httpx.ConnectError, when it wants TLS."""
        if pool.tls is not None:  # never in plain text what was meant for TLS
            raise httpx.ConnectError("this door speaks no TLS to services")
        line, _, block = self._call.head().partition(b"\r\n")
        method, target, _ = line.split(b" ")
        headers = header_lines(b"\r\n" + block)
        body = None
        if self._request.has_body:
            body = self._body()
            if self._request.content_length is None:
                headers.append((b"Transfer-Encoding", b"chunked"))
        host = f"[{pool.ip}]" if ":" in pool.ip else pool.ip
        return httpx.Request(
            method.decode("latin-1"),
            f"http://{host}:{pool.port}/",
            headers=headers,
            content=body,
            # The target as it is: httpx would quote it anew.
            extensions={"target": target, "timeout": {"connect": _CONNECT_TIMEOUT_S}},
        )

    async def _body(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise httpx.ReadError("the client went away")
            more = message.get("more_body", False)
            piece: bytes = message.get("body", b"")
            self._sent += len(piece)
            if piece:
                yield piece

    async def _pass_on(self, response: httpx.Response, block: bytes) -> None:
        headers = [(name.lower(), value) for name, value in header_lines(block)]
        status = response.status_code
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for piece in response.stream:
            self._received += len(piece)
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


def _response_head(response: httpx.Response, method: bytes) -> ResponseHead:
    """The answer's head as the wire reads it. Raises: BadResponse."""
    raw = b"HTTP/1.1 %d \r\n" % response.status_code + b"".join(
        b"%b: %b\r\n" % line for line in response.headers.raw
    )
    return read_response_head(raw + b"\r\n", method)
