"""The admin port of a mesh process: Linkerd's paths, as far as they are real here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from mesh.admin.metrics import Snapshot, as_json, as_prometheus, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from mesh.access.log import AccessLog
    from mesh.routing.router import Router
    from tracing.recorder import Recorder


_SERVICE_UNAVAILABLE: Final = 503


class Admin:
    """Answers from the live state of the routers beside it."""

    def __init__(
        self,
        routers: Sequence[Router],
        effective_config: Callable[[], dict[str, Any]],
        recorder: Recorder | None,
        playground: ASGIApp | None,
        unready: Callable[[], str | None] = lambda: None,
        access: AccessLog | None = None,
        counts: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._access = access
        self._counts = counts  # of whoever has routers and more
        self._unready = unready  # why requests should go elsewhere; None: they need not
        self._routers = routers
        self._config = effective_config
        self._recorder = recorder
        self._playground = playground

    def app(self) -> Starlette:
        """The application."""
        routes: list[Route | Mount] = [
            Route("/admin/ping", _ping),
            *health(self._unready),
            Route("/admin/snapshot", self._snapshot),
            Route("/admin/metrics.json", self._metrics_json),
            Route("/admin/metrics/prometheus", self._prometheus),
            Route("/config.json", self._effective_config),
            Route("/client_state.json", self._client_state),
        ]
        if self._playground is not None:
            routes.append(Mount("/", self._playground))
        return Starlette(routes=routes)

    def _spans(self) -> dict[str, float]:
        recorder = self._recorder
        if recorder is None:
            return {}
        found: dict[str, float] = {
            "tracing/spans/recorded": recorder.recorded,
            "tracing/spans/exported": recorder.exported,
            "tracing/spans/queued": float(recorder.queued),
        }
        for reason, count in recorder.dropped().items():
            found[f"tracing/spans/dropped/{reason}"] = count
        return found

    def counted(self) -> Snapshot:
        """Everything that is counted here."""
        more = self._spans() | dict(self._counts())
        if self._access is not None:
            more["access_log/written"] = self._access.written
            more["access_log/dropped"] = self._access.dropped
        return snapshot(self._routers, more)

    async def _snapshot(self, request: Request) -> Response:
        """All counts, for who adds up several workers."""
        del request
        return Response(msgspec.msgpack.encode(self.counted()))

    async def _metrics_json(self, request: Request) -> Response:
        return metrics_json(request, self.counted())

    async def _prometheus(self, request: Request) -> Response:
        del request
        return PlainTextResponse(as_prometheus(self.counted()))

    async def _effective_config(self, request: Request) -> Response:
        del request
        return JSONResponse(self._config())

    async def _client_state(self, request: Request) -> Response:
        del request
        return JSONResponse(
            {
                client.name: {
                    "state": "bound",
                    "addresses": [replica.text for replica in client.replicas],
                }
                for router in self._routers
                for client in router.clients
            }
        )


async def _ping(request: Request) -> Response:
    del request
    return PlainTextResponse("pong")


def metrics_json(request: Request, counted: Snapshot) -> Response:
    """`/admin/metrics.json`, with `?pretty=true` for people."""
    found = as_json(counted)
    if request.query_params.get("pretty") == "true":
        text = json.dumps(found, indent=2, sort_keys=True)
        return Response(text, media_type="application/json")
    return JSONResponse(found)


def health(unready: Callable[[], str | None]) -> list[Route]:
    """`/admin/live`: the process turns. `/admin/ready`: requests may come; 503 and why, if not."""

    async def live(request: Request) -> Response:
        del request
        return PlainTextResponse("live\n")

    async def ready(request: Request) -> Response:
        del request
        why = unready()
        if why is None:
            return PlainTextResponse("ready\n")
        return PlainTextResponse(f"{why}\n", _SERVICE_UNAVAILABLE)

    return [Route("/admin/live", live), Route("/admin/ready", ready)]
