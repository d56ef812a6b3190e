"""The collector's own pages: search, one trace, two traces, the graph of services."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Final
from urllib.parse import quote, urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tracing.pipeline import normalise
from tracing.pipeline.http.query_args import (
    ArgumentError,
    read_args,
    required,
    trace_query,
    window,
)
from tracing.pipeline.http.status import Ledger
from tracing.pipeline.model import SpanError
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.port import SpanStore, StoreError
from tracing.ui import view
from tracing.ui.compare import compare
from tracing.ui.graph import lay_out

_ASSETS: Final = {
    "style.css": "text/css",
    "keys.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_ROWS_MAX: Final = 1_000  # of one page of a waterfall; a browser stays quick with that many

LOOKBACKS: Final = (
    (300_000, "last 5 minutes"),
    (900_000, "last 15 minutes"),
    (3_600_000, "last hour"),
    (21_600_000, "last 6 hours"),
    (86_400_000, "last day"),
    (604_800_000, "last 7 days"),
)
_DEFAULT_LOOKBACK: Final = 3_600_000
_DEFAULT_PLACE: Final = "127.0.0.1:9411"  # where the command looks by itself
_PLAIN_PLACE: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")
# Nothing on these pages comes from elsewhere, and nothing that spans say is ever run.
_POLICY: Final = "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"


def _clock(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _duration_us(text: str) -> str:
    """A duration as people type it ("20ms", "1.5s", "300") in microseconds. Raises."""
    text = text.strip().lower().replace(" ", "")
    for unit, factor in (("ms", 1e3), ("µs", 1), ("us", 1), ("s", 1e6), ("", 1)):
        if text.endswith(unit):
            digits = text.removesuffix(unit)
            try:
                return str(int(float(digits) * factor)) if digits else ""
            except (ValueError, OverflowError) as error:
                raise ArgumentError(f"{text} is no duration; try 20ms or 1.5s") from error
    return ""


class Pages:
    """The pages over one store."""

    def __init__(self, store: SpanStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._jinja = jinja2.Environment(
            loader=jinja2.PackageLoader("tracing.ui"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.filters.update(clock=_clock, us=view.show_us, hue=view.hue)

    def routes(self) -> list[Route]:
        """Ours; /api, /zipkin and / stay free of them."""
        return [
            Route("/traces", self._guarded(self._search)),
            Route("/traces/{trace_id}", self._guarded(self._trace)),
            Route("/compare", self._guarded(self._compare)),
            Route("/graph", self._guarded(self._graph)),
            *(Route(f"/ui/{name}", _asset(name, kind)) for name, kind in _ASSETS.items()),
        ]

    def _guarded(
        self, page: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def call(request: Request) -> Response:
            try:
                return await page(request)
            except (ArgumentError, SpanError) as error:
                return self._page("message.html", 400, title="Not understood", text=str(error))
            except StoreError as error:
                return self._page("message.html", 500, title="The store failed", text=str(error))

        return call

    def _page(self, template: str, status: int = 200, **values: object) -> Response:
        html = self._jinja.get_template(template).render(values)
        return HTMLResponse(html, status, headers={"content-security-policy": _POLICY})

    async def _search(self, request: Request) -> Response:
        args = read_args(request.scope["query_string"])
        if args.get("id"):
            place = "/traces/" + quote(args["id"].strip(), safe="")
            return Response(status_code=302, headers={"location": place})
        now_ms = time.time_ns() // 1_000_000
        error = ""
        found: list[view.Hit] = []
        query: TraceQuery | None = None
        try:
            query = _read_query(args, now_ms)
            if self._settings.search_enabled:
                found = view.hits(await self._store.search(query))
        except ArgumentError as problem:
            error = str(problem)
        if args.get("sort") == "longest":
            found.sort(key=lambda hit: hit.took_us, reverse=True)
        service = args.get("serviceName", "").lower()
        return self._page(
            "search.html",
            args=args,
            error=error,
            hits=found,
            searched=query,
            more=urlencode({**args, "limit": str(query.limit * 5)}) if query else "",
            search_enabled=self._settings.search_enabled,
            services=await self._store.services(),
            span_names=await self._store.span_names(service) if service else [],
            remotes=await self._store.remote_services(service) if service else [],
            lookbacks=LOOKBACKS,
            lookback=int(args.get("lookback") or _DEFAULT_LOOKBACK) if not error else 0,
        )

    async def _trace(self, request: Request) -> Response:
        trace_id = normalise.trace_id(request.path_params["trace_id"].strip())
        spans = await self._store.trace(trace_id)
        if not spans:
            return self._page("message.html", 404, title="No such trace", text=trace_id)
        trace = view.waterfall(spans)
        args = read_args(request.scope["query_string"])
        first = args.get("from", "0")
        start = min(int(first), len(trace.bars)) if first.isascii() and first.isdigit() else 0
        return self._page(
            "trace.html",
            trace=trace,
            bars=trace.bars[start : start + _ROWS_MAX],
            start=start,
            step=_ROWS_MAX,
            root=trace.bars[0],
            explain=_explain(trace.trace_id, request.url.netloc),
        )

    def ledger(self, told: Ledger) -> Response:
        """The page of a ledger: its own sums, and whether they are even."""
        now = {name: spans for name, spans in told["since_start"].items() if name != "dropped"}
        dropped = told["since_start"]["dropped"]
        gone = sum(dropped.values())
        tail = dict(told.get("tail", {}))
        for policy, spans in tail.pop("dropped", {}).items():
            tail[f"dropped by {policy}"] = spans
        return self._page(
            "ledger.html",
            now=[*now.items(), ("dropped", gone)],
            dropped=sorted(dropped.items()),
            tail=list(tail.items()),
            store=list(told["store"].items()),
            balanced=now["received"] == now["stored"] + now["exported"] + now["queued"] + gone,
        )

    async def _compare(self, request: Request) -> Response:
        args = read_args(request.scope["query_string"])
        traces = []
        for name in ("a", "b"):
            trace_id = normalise.trace_id(required(args, name).strip())
            spans = await self._store.trace(trace_id)
            if not spans:
                return self._page("message.html", 404, title="No such trace", text=trace_id)
            traces.append(spans)
        a, b, pairs = compare(*traces)
        return self._page("compare.html", a=a, b=b, pairs=pairs, step=_ROWS_MAX)

    async def _graph(self, request: Request) -> Response:
        args = read_args(request.scope["query_string"])
        now_ms = time.time_ns() // 1_000_000
        end_ms, lookback_ms = window({"endTs": str(now_ms)} | args, lookback_ms=_DEFAULT_LOOKBACK)
        links = await self._store.dependencies(end_ms, lookback_ms)
        return self._page(
            "graph.html",
            links=links,
            graph=lay_out(links),
            lookbacks=LOOKBACKS,
            lookback=lookback_ms,
        )


def _read_query(args: Mapping[str, str], now_ms: int) -> TraceQuery:
    """The search of the page's form: the API's, with durations and times as people type them."""
    read = {name: value for name, value in args.items() if value.strip()}
    for name in ("minDuration", "maxDuration"):
        if name in read:
            read[name] = _duration_us(read[name])
    read.setdefault("lookback", str(_DEFAULT_LOOKBACK))
    read.setdefault("limit", "20")
    return trace_query(read, now_ms=now_ms, lookback_ms=_DEFAULT_LOOKBACK)


def _explain(trace_id: str, place: str) -> str:
    """The command that tells why a trace went where it went; `place` is this host and port."""
    command = f"weir explain --trace {trace_id}"
    # A command is for a shell: what a browser says our name is goes in only if it is a plain one.
    if place == _DEFAULT_PLACE or not _PLAIN_PLACE.fullmatch(place):
        return command
    return f"{command} --collector http://{place}"


def _asset(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    body = (resources.files("tracing.ui") / "static" / name).read_bytes()

    async def send(_request: Request) -> Response:
        return Response(body, media_type=kind, headers={"cache-control": "max-age=300"})

    return send
