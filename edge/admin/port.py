"""The gateway's admin port: reload, explain, routes, recent requests, beside the mesh's pages."""

from __future__ import annotations

import json
import shlex
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from edge.admin.counts import counts, drain_state
from edge.admin.guard import AdminGuard
from edge.admin.metrics import exposition
from edge.admin.pages import HEADERS, explained, index, recent, table
from edge.answers.reach import effect_of
from edge.answers.state_text import state_text
from edge.explain import SOMEBODY, BadQuestion, Question, explain_request
from edge.settings.origins import origins
from mesh.admin.port import Admin
from tracing.exchange import spans_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from edge.admin.running import Running
    from mesh.access.log import AccessLog
    from mesh.admin.metrics import Snapshot
    from tracing.recorder import Recorder

_ASKED: Final = ("url", "cookie", "client", "headers")
_BODY_MAX: Final = 65_536
_BAD_REQUEST: Final = 400
_CONFLICT: Final = 409


class EdgeAdmin:
    """Answers from the live state of the gateway beside it."""

    def __init__(
        self, process: Running, recorder: Recorder | None, access: AccessLog | None = None
    ) -> None:
        self._access = access
        self._process = process
        self._recorder = recorder

    def app(self) -> ASGIApp:
        """The application, behind its guard."""
        mesh = Admin(
            [self._process.router],
            lambda: self._process.config.model_dump(mode="json", exclude_unset=True),
            self._recorder,
            None,
            lambda: self._process.unready,
            self._access,
            lambda: counts(self._process),
        )
        self._mesh = mesh
        routes = [
            Route("/", self._index),
            Route("/openapi.json", _openapi),
            Route("/metrics", self._metrics),
            Route("/drain", self._drain, methods=["GET", "POST"]),
            Route("/admin/snapshot", self._snapshot),
            Route("/config/origins", self._origins),
            Route("/edge.json", self._edge),
            Route("/explain", self._explain_page, methods=["GET"]),
            Route("/explain", self._explain, methods=["POST"]),
            Route("/recent", self._recent),
            Route("/reload", self._reload, methods=["POST"]),
            Route("/routes", self._routes),
            Mount("/", mesh.app()),
        ]
        return AdminGuard(Starlette(routes=routes), self._process.config.admin.hosts)

    async def _index(self, request: Request) -> Response:
        process = self._process
        file = "without a file" if process.source is None else f"by {process.source.file}"
        state = f"{process.unready or 'ready'}; configured {file}"
        if process.last_reload is not None:
            state += f"; last: {process.last_reload}"
        return _page(index(state, process.config.warnings, str(request.base_url).rstrip("/")))

    def _counted(self) -> Snapshot:
        counted = self._mesh.counted()
        counted.exemplars = self._process.exemplars.by_service
        return counted

    async def _snapshot(self, request: Request) -> Response:
        """All counts, for who adds up several workers."""
        del request
        return Response(msgspec.msgpack.encode(self._counted()))

    async def _metrics(self, request: Request) -> Response:
        text, content_type = exposition(self._counted(), request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type})

    async def _drain(self, request: Request) -> Response:
        """POST: readiness fails and every answer ends its connection. GET: what is left."""
        if request.method == "POST":
            self._process.retire()
        return JSONResponse(drain_state(self._process.unready, counts(self._process)))

    async def _reload(self, request: Request) -> Response:
        del request
        done = await self._process.reload()
        return JSONResponse(done.as_json(), 200 if done.done else _CONFLICT)

    async def _origins(self, request: Request) -> Response:
        del request
        process = self._process
        return JSONResponse(origins(process.config, process.source, process.waits))

    async def _edge(self, request: Request) -> Response:
        """What only the gateway counts."""
        del request
        process = self._process
        face, settings = process.face, process.face.settings
        desk, audit = settings.desk, settings.audit
        last = process.last_reload
        return JSONResponse(
            {
                "dropped_requests": face.dropped,
                "ambiguous_paths": face.ambiguous,
                "rate_limited": settings.limiter.refused,
                "forced_samples_refused": settings.forced.refused,
                "grants": None
                if desk is None
                else {"used": desk.used, "refused": dict(desk.refused), "keys": list(desk.keys)},
                "audit": None
                if audit is None
                else {"written": audit.written, "dropped": audit.dropped},
                "reloads": process.reloads,
                "last_reload": None if last is None else last.as_json(),
                "warnings": list(process.config.warnings),
            }
        )

    async def _explain(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _BODY_MAX:
                return PlainTextResponse("too large\n", 413)
        try:
            told = await self._told(json.loads(body))
        except (ValueError, TypeError, RecursionError, BadQuestion) as error:
            # JSON can hold half of a surrogate pair, and an answer cannot.
            return PlainTextResponse(f"{error}\n".encode(errors="replace"), _BAD_REQUEST)
        return JSONResponse(told)

    async def _told(self, asked: Any) -> dict[str, Any]:
        process = self._process
        if not isinstance(asked, dict) or "url" not in asked:
            raise BadQuestion('send {"url": …}, and method, headers and client if you like')
        question = Question(
            url=str(asked["url"]),
            method=str(asked.get("method", "GET")),
            headers=tuple((str(name), str(value)) for name, value in asked.get("headers", ())),
            client=str(asked.get("client", SOMEBODY)),
        )
        answered = await explain_request(
            question, process.face, process.router.settings, process.router.interpreter
        )
        return answered.as_json() | {"text": answered.lines()}

    async def _explain_page(self, request: Request) -> Response:
        asked = {name: request.query_params.get(name, "") for name in _ASKED}
        if not asked["url"]:
            return _page(explained(asked, (), ""))
        pairs = [line.partition(":") for line in asked["headers"].splitlines() if line.strip()]
        headers = [[name.strip(), value.strip()] for name, _, value in pairs]
        if asked["cookie"]:
            headers.append(["Cookie", asked["cookie"]])
        client = asked["client"] or SOMEBODY
        words = ["weir", "explain", asked["url"]]
        for name, value in headers:
            words += ["-H", f"{name}: {value}"]
        words += ["--client", client] if asked["client"] else []
        words += ["--admin", str(request.base_url).rstrip("/")]
        try:
            question = {"url": asked["url"], "headers": headers, "client": client}
            told = (await self._told(question))["text"]
        except (BadQuestion, ValueError) as error:
            told = [str(error)]
        return _page(explained(asked, told, shlex.join(words)))

    async def _routes(self, request: Request) -> Response:
        rows = [
            {
                "service": str(route.service),
                "rule": route.tags.get("edge.host", ""),
                "override": route.tags.get("dtab.local", ""),
                "bound": state_text(route.binding.state),
                "effect": str(effect_of(route.binding) or ""),
            }
            for route in self._process.router.routes.routes()
        ]
        if _wants_page(request):
            return _page(table("Routes", rows))
        return JSONResponse(rows)

    async def _recent(self, request: Request) -> Response:
        rows = [
            {
                "trace": record.trace_id.hex(),
                "start_us": record.start_us,
                "elapsed_us": record.elapsed_us,
                "name": record.name,
                **(record.route or {}),
                **record.tags,
            }
            for record in (spans_of(one)[-1] for one in reversed(self._process.recent))
        ]
        if _wants_page(request):
            tracing = self._process.config.tracing
            return _page(recent(rows, "" if tracing is None else tracing.collector))
        return JSONResponse(rows)


async def _openapi(request: Request) -> Response:
    """What this port offers, for tools."""
    del request
    text = files("edge.admin").joinpath("openapi.yml").read_text("utf-8")
    return JSONResponse(yaml.safe_load(text))


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _page(text: str) -> Response:
    return HTMLResponse(text, headers=HEADERS)
