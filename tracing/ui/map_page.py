"""The pages of many traces at once: who calls whom, and which ways requests took."""

import asyncio
import time
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from tracing.pipeline.http.query_args import ArgumentError, read_args, window
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.store.port import SpanStore
from tracing.ui.graph import lay_out
from tracing.ui.paging import part_from
from tracing.ui.render import DEFAULT_LOOKBACK_MS, LOOKBACKS, Renderer
from tracing.ui.ways import Summed, sum_up

_TRACES_MAX: Final = 1_000  # that ways are summed over


class MapPages:
    """`/graph` and `/routes`."""

    def __init__(self, store: SpanStore, renderer: Renderer) -> None:
        self._store = store
        self._renderer = renderer

    async def graph(self, request: Request) -> Response:
        """Services by their calls as all spans say, or by the routes of the newest traces.

        `from` is the number of the table's first row.
        """
        args, end_ms, lookback_ms = _window(request)
        by = args.get("by", "route")
        if by not in ("route", "service"):
            raise ArgumentError(f"by={by}: services are drawn by=route or by=service")
        summed = await self._summed(end_ms, lookback_ms) if by == "route" else None
        if summed is not None and not summed.links:
            by, summed = "service", None  # no router's span is among them
        links = summed.links if summed else await self._store.dependencies(end_ms, lookback_ms)
        part = part_from(args, len(links))
        return await self._renderer.large(
            "graph.html",
            by=by,
            links=links[part.start : part.end],
            part=part,
            kept=urlencode({name: value for name, value in args.items() if name != "from"}),
            traces=summed.traces if summed else 0,
            most=_TRACES_MAX,
            graph=await asyncio.to_thread(lay_out, links, summed.shares if summed else None),
            clients=summed.clients if summed else {},
            lookbacks=LOOKBACKS,
            lookback=lookback_ms,
        )

    async def routes(self, request: Request) -> Response:
        """Each service's clients, with shares, failures and times."""
        args, end_ms, lookback_ms = _window(request)
        summed = await self._summed(end_ms, lookback_ms, args.get("service", "").strip())
        return await self._renderer.large(
            "routes.html",
            args=args,
            summed=summed,
            most=_TRACES_MAX,
            lookbacks=LOOKBACKS,
            lookback=lookback_ms,
        )

    async def _summed(self, end_ms: int, lookback_ms: int, service: str = "") -> Summed:
        terms = (("service", service or None),)
        traces = await self._store.search(
            TraceQuery(end_ms=end_ms, lookback_ms=lookback_ms, limit=_TRACES_MAX, terms=terms)
        )
        return await asyncio.to_thread(sum_up, traces)


def _window(request: Request) -> tuple[dict[str, str], int, int]:
    args = read_args(request.scope["query_string"])
    now = {"endTs": str(time.time_ns() // 1_000_000)}
    return args, *window(now | args, lookback_ms=DEFAULT_LOOKBACK_MS)
