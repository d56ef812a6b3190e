"""The query API, GET /api/v2/..., and again below /zipkin for Zipkin's own page."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracing.pipeline import normalise
from tracing.pipeline.http.answers import TEXT
from tracing.pipeline.http.pieces import trace_response, traces_response
from tracing.pipeline.http.query_args import (
    ArgumentError,
    many_ids,
    read_args,
    required,
    trace_query,
    window,
)
from tracing.pipeline.model import SpanError, to_json
from tracing.pipeline.search import BLANKS
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.port import SpanStore, StoreError

Args = dict[str, str]
Handler = Callable[[Request, Args], Awaitable[Response]]

# The real server lets names be cached once there are more than this many services.
_FEW: Final = 3


def text_response(status: int, text: str) -> Response:
    """A refusal in the real server's form."""
    return Response(text, status, headers={"content-type": TEXT})


def _json(value: object, *, cache: str | None = None) -> Response:
    headers = {} if cache is None else {"cache-control": cache}
    return Response(to_json(value), media_type="application/json", headers=headers)


class QueryApi:
    """The calls over one store."""

    def __init__(self, store: SpanStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._cache = f"max-age={settings.names_max_age_s}, must-revalidate"
        self._service_count = 0

    def routes(self) -> list[Route]:
        """Every call, below both prefixes."""
        calls: dict[str, Handler] = {
            "services": self._services,
            "spans": self._span_names,
            "remoteServices": self._remote_services,
            "traces": self._traces,
            "trace/{traceId}": self._trace,
            "traceMany": self._trace_many,
            "dependencies": self._dependencies,
            "autocompleteKeys": self._autocomplete_keys,
            "autocompleteValues": self._autocomplete_values,
        }
        return [
            Route(f"{prefix}/api/v2/{path}", self._guarded(handler), methods=["GET"])
            for prefix in ("", "/zipkin")
            for path, handler in calls.items()
        ]

    def _guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def call(request: Request) -> Response:
            try:
                args = read_args(request.scope["query_string"])
                async with asyncio.timeout(self._settings.query_timeout_s):
                    return await handler(request, args)
            except (ArgumentError, SpanError) as error:
                return text_response(400, str(error))
            except StoreError as error:
                return text_response(500, str(error))
            except TimeoutError:
                return text_response(503, f"over {self._settings.query_timeout_s:g} s")

        return call

    def _names(self, names: list[str]) -> Response:
        return _json(names, cache=self._cache if self._service_count > _FEW else None)

    async def _services(self, _request: Request, _args: Args) -> Response:
        names = await self._store.services() if self._settings.search_enabled else []
        self._service_count = len(names)
        return self._names(names)

    async def _span_names(self, _request: Request, args: Args) -> Response:
        service = required(args, "serviceName").lower()
        searchable = self._settings.search_enabled
        return self._names(await self._store.span_names(service) if searchable else [])

    async def _remote_services(self, _request: Request, args: Args) -> Response:
        service = required(args, "serviceName").lower()
        searchable = self._settings.search_enabled
        return self._names(await self._store.remote_services(service) if searchable else [])

    async def _traces(self, _request: Request, args: Args) -> Response:
        query = trace_query(
            args, now_ms=time.time_ns() // 1_000_000, lookback_ms=self._settings.query_lookback_ms
        )
        found = await self._store.search(query) if self._settings.search_enabled else []
        return traces_response(found)

    async def _trace(self, request: Request, _args: Args) -> Response:
        trace_id = normalise.trace_id(request.path_params["traceId"].strip(BLANKS))
        trace = await self._store.trace(trace_id)
        return trace_response(trace) if trace else text_response(404, f"{trace_id} not found")

    async def _trace_many(self, _request: Request, args: Args) -> Response:
        return traces_response(await self._store.traces(many_ids(args)))

    async def _dependencies(self, _request: Request, args: Args) -> Response:
        end_ms, lookback_ms = window(args, lookback_ms=self._settings.query_lookback_ms)
        return _json(await self._store.dependencies(end_ms, lookback_ms))

    async def _autocomplete_keys(self, _request: Request, _args: Args) -> Response:
        return _json(sorted(self._settings.autocomplete_keys), cache=self._cache)

    async def _autocomplete_values(self, _request: Request, args: Args) -> Response:
        key = required(args, "key")
        if not key:
            raise ArgumentError("key was empty")
        known = self._settings.search_enabled and key in self._settings.autocomplete_keys
        values = await self._store.tag_values(key) if known else []
        return _json(values, cache=self._cache if len(values) > _FEW else None)
