"""What one would write in Python: Starlette on uvicorn, httpx towards the upstream."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
_HOP: Final = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade"})
_CLIENT: Final = httpx.AsyncClient(
    base_url=f"http://127.0.0.1:{os.environ.get('UPSTREAM', '0')}",
    limits=httpx.Limits(max_connections=1_000, max_keepalive_connections=512),
    timeout=30,
    trust_env=False,
)


async def proxy(request: Request) -> StreamingResponse:
    """Pass the request on without l5d headers, and the answer back."""
    headers = [
        (name, value)
        for name, value in request.headers.raw
        if name not in _HOP and not name.startswith(b"l5d-")
    ]
    body = request.stream() if request.method in {"POST", "PUT", "PATCH"} else None
    sent = _CLIENT.build_request(request.method, request.url.path, headers=headers, content=body)
    answer = await _CLIENT.send(sent, stream=True)
    response = StreamingResponse(
        answer.aiter_raw(), status_code=answer.status_code, background=BackgroundTask(answer.aclose)
    )
    response.raw_headers = [
        (name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _HOP
    ]
    return response


app = Starlette(routes=[Route("/{path:path}", proxy, methods=_METHODS)])
