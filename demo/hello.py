"""hello, world and api: one Starlette app, as the helloworld of the Linkerd examples behaves.

The texts, statuses and the order of sleep, failure and call are that app's.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from demo.context import carried
from demo.duration import NONE, Nanos, parse_duration, seconds, show_duration
from demo.errors import CallFailed
from demo.flags import decimal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from demo.call import Call


@dataclass(slots=True)
class Manner:
    """How the app answers. Latency and failure rate change while it runs."""

    text: str
    pod_ip: str = ""
    json: bool = False
    latency: Nanos = NONE
    failure_rate: float = 0.0  # 0.0 to 1.0


def hello_app(manner: Manner, call: Call | None) -> Starlette:
    """Build the app; `call` reaches the app whose text is appended, if there is one."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        if call is not None:
            await call.aclose()

    routes = [
        Route("/setLatency", _Endpoint(lambda request: _set_latency(manner, request))),
        Route("/setFailureRate", _Endpoint(lambda request: _set_failure_rate(manner, request))),
        Route("/{path:path}", _Endpoint(lambda request: _greet(manner, call, request))),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


class _Endpoint:
    """A handler for every method: Starlette gives a plain function GET alone."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)


async def _greet(manner: Manner, call: Call | None, request: Request) -> Response:
    await asyncio.sleep(seconds(manner.latency))
    if random.random() < manner.failure_rate:
        return _error("", 500)
    text = f"{manner.text} ({manner.pod_ip})" if manner.pod_ip else manner.text
    if call is not None:
        try:
            text = f"{text} {await call.text(carried(request.headers.raw))}"
        except CallFailed as error:
            return _error(str(error), 503)
    if manner.json:
        body = json.dumps({"api_result": text}, ensure_ascii=False)
        return Response(body, media_type="application/json")
    return Response(text + "!", media_type="text/plain")


async def _set_latency(manner: Manner, request: Request) -> Response:
    text = _parameter(request, "latency")
    if isinstance(text, Response):
        return text
    try:
        manner.latency = parse_duration(text)
    except ValueError:
        return _error("latency is not a valid duration", 400)
    print("set latency to", show_duration(manner.latency), flush=True)  # noqa: T201 - its output
    return Response("ok", media_type="text/plain")


async def _set_failure_rate(manner: Manner, request: Request) -> Response:
    text = _parameter(request, "failureRate")
    if isinstance(text, Response):
        return text
    try:
        rate = decimal(text)
    except ValueError:
        return _error("failureRate is not a valid float", 400)
    if not 0.0 <= rate <= 1.0:
        return _error("failureRate must be between 0.0 and 1.0", 400)
    manner.failure_rate = rate
    print("set failure rate to", f"{rate:g}", flush=True)  # noqa: T201 - its output
    return Response("ok", media_type="text/plain")


def _parameter(request: Request, name: str) -> str | Response:
    if request.method != "POST":
        return _error("POST required", 405)
    values = request.query_params.getlist(name)
    # Go's Get gives the first of several.
    return values[0] if values and values[0] else _error(f"missing required parameter: {name}", 400)


def _error(text: str, status: int) -> Response:
    # Go's http.Error: a line break after the text, and no guessing at its type.
    return Response(
        text + "\n", status, {"x-content-type-options": "nosniff"}, media_type="text/plain"
    )
