"""The collector's own pages."""

from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracing.pipeline.accounts import Ledger
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.port import SpanStore
from tracing.ui.compare_page import ComparePage
from tracing.ui.map_page import MapPages
from tracing.ui.recent import Recent
from tracing.ui.render import Page, Renderer
from tracing.ui.search_page import SearchPage
from tracing.ui.trace_page import TracePages

_ASSETS: Final = {
    "style.css": "text/css",
    "keys.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class Pages:
    """The pages over one store."""

    def __init__(self, store: SpanStore, settings: Settings) -> None:
        self._renderer = renderer = Renderer()
        recent = Recent(store)
        trace, maps = TracePages(recent, renderer), MapPages(store, renderer)
        self._pages: dict[str, Page] = {
            "/traces": SearchPage(store, settings, renderer).show,
            "/traces/{trace_id}": trace.show,
            "/traces/{trace_id}/why": trace.why,
            "/compare": ComparePage(recent, renderer).show,
            "/graph": maps.graph,
            "/routes": maps.routes,
        }

    def routes(self) -> list[Route]:
        """Ours; /api, /zipkin and / stay free of them."""
        guarded = self._renderer.guarded
        return [
            *(Route(path, guarded(page)) for path, page in self._pages.items()),
            *(Route(f"/ui/{name}", _asset(name, kind)) for name, kind in _ASSETS.items()),
        ]

    def ledger(self, told: Ledger) -> Response:
        """The page of a ledger: its own sums, and whether they are even."""
        now = {name: spans for name, spans in told["since_start"].items() if name != "dropped"}
        dropped = told["since_start"]["dropped"]
        gone = sum(dropped.values())
        tail = dict(told.get("tail", {}))
        for policy, spans in tail.pop("dropped", {}).items():
            tail[f"dropped by {policy}"] = spans
        return self._renderer.page(
            "ledger.html",
            now=[*now.items(), ("dropped", gone)],
            dropped=sorted(dropped.items()),
            tail=list(tail.items()),
            store=list(told["store"].items()),
            balanced=now["received"] == now["stored"] + now["exported"] + now["queued"] + gone,
        )


def _asset(name: str, kind: str) -> Page:
    body = (resources.files("tracing.ui") / "static" / name).read_bytes()

    async def send(_request: Request) -> Response:
        return Response(body, media_type=kind, headers={"cache-control": "max-age=300"})

    return send
