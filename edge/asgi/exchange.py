"""One exchange of the application door: a routed call, carried by httpx."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from edge.asgi.transport import CONNECT_TIMEOUT_S
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

    from edge.asgi.transport import Transports
    from proxy.call import Call, EndpointPool
    from wire.request import RequestHead


class AppExchange:
    """Asks the call for endpoints until one answers; passes bodies on as they come."""

    def __init__(
        self,
        transports: Transports,
        call: Call,
        request: RequestHead,
        receive: Receive,
        send: Send,
    ) -> None:
        self._transports = transports
        self._call = call
        self._request = request
        self._receive = receive
        self._send = send
        self._sent = 0
        self._received = 0
        self._status = 0
        self._asked_all = asyncio.Event()  # nobody reads the request's body any more
        if not request.has_body:
            self._asked_all.set()

    async def run(self) -> Reply | None:
        """Carry the exchange; a Reply is still to be sent. None, too, when the client has gone."""
        carrying = asyncio.ensure_future(self._carry())
        watching = asyncio.ensure_future(self._until_gone())
        try:
            await asyncio.wait((carrying, watching), return_when=asyncio.FIRST_COMPLETED)
            if not carrying.done():
                return None
            return await carrying
        finally:
            for task in (carrying, watching):
                task.cancel()
            await asyncio.wait((carrying, watching))

    async def _until_gone(self) -> None:
        """Until the client leaves; asked only once its request has been read, or is not wanted."""
        await self._asked_all.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _carry(self) -> Reply | None:
        call = self._call
        error: UpstreamError | None = None
        try:
            async with asyncio.timeout(call.timeout_s) as patience:
                found = await self._answered()
                if isinstance(found, Reply):
                    self._status = found.status
                    return found
                response, block = found
                self._asked_all.set()  # an answer before the body's end: nobody wants the rest
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
                asked = self._upstream_request(pool)
                response = await self._transports.of(pool).handle_async_request(asked)
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

    def _upstream_request(self, pool: EndpointPool) -> httpx.Request:
        """The request for one endpoint."""
        line, _, block = self._call.head().partition(b"\r\n")
        method, target, _ = line.split(b" ")
        headers = header_lines(b"\r\n" + block)
        body = None
        if self._request.has_body:
            body = self._body()
            if self._request.content_length is None:
                headers.append((b"Transfer-Encoding", b"chunked"))
        host = f"[{pool.ip}]" if ":" in pool.ip else pool.ip
        # The target as it is: httpx would quote it anew.
        extensions: dict[str, Any] = {
            "target": target,
            "timeout": {"connect": CONNECT_TIMEOUT_S},
        }
        if pool.tls is not None and pool.tls.name is not None:
            extensions["sni_hostname"] = pool.tls.name  # asked for, and verified
        return httpx.Request(
            method.decode("latin-1"),
            f"{'http' if pool.tls is None else 'https'}://{host}:{pool.port}/",
            headers=headers,
            content=body,
            extensions=extensions,
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
        self._asked_all.set()

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
