"""Health, info, metrics and the page's settings, in the real server's forms."""

import json
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracing.pipeline.accounts import Accounts, Ledger
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.port import SpanStore, StoreError

_JSON: Final = "application/json; charset=utf-8"
_ACTUATOR: Final = "application/vnd.spring-boot.actuator.v2+json; charset=utf-8"
_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"

# The release whose behaviour this follows, and ours.
_INFO: Final = {"zipkin": {"version": "3.6.1", "commit": "weir"}}


def _response(body: str | bytes, content_type: str, status: int = 200, **headers: str) -> Response:
    return Response(body, status, headers={"content-type": content_type, **headers})


class Status:
    """What the collector says about itself."""

    def __init__(
        self,
        store: SpanStore,
        accounts: Accounts,
        settings: Settings,
        scribe_port: int | None,
        page: Callable[[Ledger], Response] | None = None,
    ) -> None:
        self._page = page
        self._store = store
        self._accounts = accounts
        self._settings = settings
        self._scribe_port = scribe_port

    def routes(self) -> list[Route]:
        """Each under its own path and as the actuator's twin."""

        async def health(request: Request) -> Response:
            return await self._health(_type_for(request))

        async def info(request: Request) -> Response:
            return _response(json.dumps(_INFO, separators=(",", ":")), _type_for(request))

        async def metrics(request: Request) -> Response:
            if "text/plain" in request.headers.get("accept", ""):
                # Who scrapes asks for this type, and by custom at this path.
                return _response(self._accounts.exposition(), _PROMETHEUS, vary="accept")
            return _response(json.dumps(dict(self._accounts.flat())), "application/json")

        async def prometheus(_request: Request) -> Response:
            return _response(self._accounts.exposition(), _PROMETHEUS)

        async def ledger(request: Request) -> Response:
            page = self._page
            if page is not None and "text/html" in request.headers.get("accept", ""):
                answer = page(self._accounts.ledger())
            else:
                answer = _response(json.dumps(self._accounts.ledger(), indent=2), _JSON)
            answer.headers["vary"] = "accept"
            return answer

        async def ledger_json(_request: Request) -> Response:
            return _response(json.dumps(self._accounts.ledger(), indent=2), _JSON)

        return [
            Route("/health", health),
            Route("/actuator/health", health),
            Route("/info", info),
            Route("/actuator/info", info),
            Route("/metrics", metrics),
            Route("/prometheus", prometheus),
            Route("/actuator/prometheus", prometheus),
            Route("/ledger", ledger),
            Route("/ledger.json", ledger_json),
        ]

    def ui_routes(self) -> list[Route]:
        """The settings that Zipkin's page asks for first."""
        config = {
            "environment": "",
            "queryLimit": 10,
            "defaultLookback": 900_000,
            "searchEnabled": self._settings.search_enabled,
            "logsUrl": None,
            "supportUrl": None,
            "archivePostUrl": None,
            "archiveUrl": None,
            "dependency": {"enabled": True, "lowErrorRate": 0.5, "highErrorRate": 0.75},
        }
        body = json.dumps(config, indent=2)

        async def page_config(_request: Request) -> Response:
            headers = {"content-type": _JSON, "cache-control": "max-age=600"}
            return Response(body, headers=headers)

        return [Route("/zipkin/config.json", page_config)]

    async def _health(self, content_type: str) -> Response:
        parts: dict[str, object] = {}
        status = "UP"
        try:
            await self._store.check()
            problem = self._accounts.problem
        except StoreError as error:
            problem = str(error)
        if problem is None:
            parts[self._store.name] = {"status": "UP"}
        else:
            status = "DOWN"
            parts[self._store.name] = {"status": "DOWN", "details": {"error": problem}}
        if self._scribe_port is not None:
            port, category = self._scribe_port, self._settings.scribe_category
            name = f"ScribeCollector{{port={port}, category={category}}}"
            parts[name] = {"status": "UP"}
        body = {"status": status, "zipkin": {"status": status, "details": parts}}
        return _response(json.dumps(body, indent=2), content_type, 200 if status == "UP" else 503)


def _type_for(request: Request) -> str:
    return _ACTUATOR if request.url.path.startswith("/actuator/") else _JSON
