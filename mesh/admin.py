"""The admin port of a mesh process: Linkerd's paths, as far as they are real here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from mesh.metrics import as_json, as_prometheus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from mesh.router import Router
    from tracing.recorder import Recorder


class Admin:
    """Answers from the live state of the routers beside it."""

    def __init__(
        self,
        routers: Sequence[Router],
        effective_config: dict[str, Any],
        recorder: Recorder | None,
        playground: ASGIApp | None,
    ) -> None:
        self._routers = routers
        self._config = effective_config
        self._recorder = recorder
        self._playground = playground

    def app(self) -> Starlette:
        """The application."""
        routes: list[Route | Mount] = [
            Route("/admin/ping", _ping),
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

    async def _metrics_json(self, request: Request) -> Response:
        found = as_json(self._routers) | self._spans()
        if request.query_params.get("pretty") == "true":
            text = json.dumps(found, indent=2, sort_keys=True)
            return Response(text, media_type="application/json")
        return JSONResponse(found)

    async def _prometheus(self, request: Request) -> Response:
        del request
        spans = "".join(
            f"{key.replace('/', ':')} {value}\n" for key, value in self._spans().items()
        )
        return PlainTextResponse(as_prometheus(self._routers) + spans)

    async def _effective_config(self, request: Request) -> Response:
        del request
        return JSONResponse(self._config)

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
