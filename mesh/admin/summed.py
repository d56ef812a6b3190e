"""The admin port of several workers: their counts in one, everything else from one of them.

Each worker serves its own admin pages on a Unix socket and counts in plain integers of its own; the
parent asks all of them and adds up. Shared memory would make every count of the hot path a write
through a buffer; here a count costs what it costs in a single process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mesh.admin.metrics import Snapshot, add_up, as_prometheus, counted_once
from mesh.admin.port import health, metrics_json

if TYPE_CHECKING:
    from proxy.tasks import Tasks
    from proxy.workers import Worker, Workers

# How old the last look at a worker may be when it crashes: what it counted since is lost.
_LOOK_S: Final = 2.0
_ANSWER_S: Final = 10.0
_BODY_MAX: Final = 1_048_576
_OK: Final = 200
_BAD_GATEWAY: Final = 502
_TOO_LARGE: Final = 413
# Of one connection; whoever answers next sets his own. RFC 9110, 7.6.1.
_OF_THE_CONNECTION: Final = frozenset({"connection", "content-length", "transfer-encoding"})
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
# What changes a worker must change all of them.
_FOR_ALL: Final = frozenset({"/reload"})

# One page of the answers of all workers, which are asked first, and of all counts after that.
Joined: TypeAlias = Callable[[Request, Snapshot, Sequence[Response]], Response]


class SummedAdmin:
    """Answers for all workers."""

    def __init__(self, workers: Workers, joined: Mapping[str, Joined] | None = None) -> None:
        self._workers = workers
        self._joined = dict(joined or {})  # by path
        workers.on_gone = self._on_gone
        self._last: dict[int, Snapshot] = {}
        self._departed = Snapshot()  # counts of workers that are gone: a sum must never fall

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                *health(self._unready),
                Route("/admin/metrics.json", self._metrics_json),
                Route("/admin/metrics/prometheus", self._prometheus),
                Route("/admin/workers.json", self._list),
                *(Route(path, self._join, methods=["GET", "POST"]) for path in self._joined),
                Route("/{rest:path}", self._forward, methods=_METHODS),
            ]
        )

    def watch(self, tasks: Tasks) -> None:
        """Look at the workers' counts every two seconds, in case one crashes."""
        tasks.start(self._watch(), "worker counts")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.counted()

    def _unready(self) -> str | None:
        if self._workers.stopping or any(
            last.more.get("edge/draining") for last in self._last.values()
        ):
            return "draining"
        return None if self._workers.ready else "no worker is ready"

    def _on_gone(self, worker: Worker) -> None:
        last = self._last.pop(worker.index, None)
        if last is not None:
            self._departed = add_up([self._departed, counted_once(last)])

    async def counted(self) -> Snapshot:
        """The sum of all workers, those that are gone included."""
        await asyncio.gather(*(self._look(worker) for worker in self._workers.ready))
        return add_up([self._departed, *self._last.values()])

    async def _look(self, worker: Worker) -> None:
        starts = worker.starts
        with contextlib.suppress(httpx.HTTPError, msgspec.DecodeError):
            async with _client(worker) as client:
                answer = await client.get("http://127.0.0.1/admin/snapshot")
            found = msgspec.msgpack.decode(answer.content, type=Snapshot)
            if worker.ready and worker.starts == starts:  # not of one that has gone meanwhile
                self._last[worker.index] = found

    async def _metrics_json(self, request: Request) -> Response:
        return metrics_json(request, await self.counted())

    async def _prometheus(self, request: Request) -> Response:
        del request
        return PlainTextResponse(as_prometheus(await self.counted()))

    async def _list(self, request: Request) -> Response:
        del request
        return JSONResponse(
            [
                {
                    "worker": one.index,
                    "pid": one.pid,
                    "ready": one.ready,
                    "starts": one.starts,
                }
                for one in self._workers.workers
            ]
        )

    async def _forward(self, request: Request) -> Response:
        """Any worker's answer: they are alike in everything but their counts."""
        asked = list(self._workers.ready)
        if not (request.method == "POST" and request.url.path in _FOR_ALL):
            asked = asked[:1]
        found = await self._asked(request, asked)
        return max(found, key=lambda answer: answer.status_code)

    async def _join(self, request: Request) -> Response:
        found = await self._asked(request, list(self._workers.ready))
        worst = max(found, key=lambda answer: answer.status_code)
        if worst.status_code != _OK:
            return worst
        return self._joined[request.url.path](request, await self.counted(), found)

    async def _asked(self, request: Request, asked: Sequence[Worker]) -> Sequence[Response]:
        """The answers of these workers, at least one."""
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _BODY_MAX:
                return [PlainTextResponse("too large\n", _TOO_LARGE)]
        answers = [await self._ask(worker, request, body) for worker in asked]
        found = [answer for answer in answers if answer is not None]
        return found or [PlainTextResponse("no worker answers\n", _BAD_GATEWAY)]

    async def _ask(self, worker: Worker, request: Request, body: bytes) -> Response | None:
        headers = [pair for pair in request.headers.items() if pair[0] not in _OF_THE_CONNECTION]
        url = request.url.replace(scheme="http")
        try:
            async with _client(worker) as client:
                answer = await client.request(
                    request.method, str(url), headers=headers, content=body
                )
        except httpx.HTTPError:
            return None
        told = Response(answer.content, answer.status_code)
        told.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode("latin-1") not in _OF_THE_CONNECTION | {"content-encoding"}
        ] + [(b"content-length", str(len(answer.content)).encode())]
        return told


def _client(worker: Worker) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(worker.admin)),
        timeout=_ANSWER_S,
        trust_env=False,
    )
