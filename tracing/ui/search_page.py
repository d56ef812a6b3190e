"""The page that finds traces."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from tracing.pipeline.http.query_args import (
    ArgumentError,
    number_or_none,
    read_args,
    trace_query,
)
from tracing.pipeline.model import V2Span
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.port import SpanStore
from tracing.ui.hits import Hit, hits, plot, tags_of
from tracing.ui.render import DEFAULT_LOOKBACK_MS, LOOKBACKS, Renderer, Step, place_of

_LIMIT: Final = "20"
_LIMIT_MAX: Final = 1_000  # the API has no bound; a page of more is of no use
# The conditions that are folded away while they are as usual.
_MORE: Final = dict.fromkeys(
    ("spanName", "remoteServiceName", "minDuration", "maxDuration", "since", "until", "endTs"), ""
) | {"limit": _LIMIT, "sort": "newest"}
_TIMES: Final = frozenset(("since", "until", "endTs"))
_CHOICES_MAX: Final = 200  # of one list of values
_UNITS_US: Final = (
    ("ms", 1e3),
    ("µs", 1),
    ("us", 1),
    ("s", 1e6),
    ("min", 6e7),
    ("m", 6e7),
    ("", 1),  # the last, which every text ends with
)
# What the form asks for by fields of its own: the tag that each means.
_TAG_FIELDS: Final = {"route": "service", "client": "client"}


def duration_us(text: str) -> str:
    """A duration as people type it ("20ms", "1.5s", "300") in microseconds.

    Raises: ArgumentError.
    """
    text = text.strip().lower().replace(" ", "")
    unit, factor = next(one for one in _UNITS_US if text.endswith(one[0]))
    digits = text.removesuffix(unit)
    try:
        return str(int(float(digits) * factor)) if digits else ""
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"{text} is no duration; try 20ms or 1.5s") from error


def time_ms(text: str) -> str:
    """A time, UTC where it names no other zone, in milliseconds since 1970.

    Raises: ArgumentError.
    """
    try:
        at = datetime.fromisoformat(text)
        return str(int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000))
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"{text} is no time; try 2026-01-31T14:05") from error


def read_query(args: Mapping[str, str], now_ms: int) -> TraceQuery:
    """The search of the page's form: the API's, with durations and times as people type them.

    Of its own it has `since` and `until` (UTC), of which `since` counts before `lookback`; `route`
    (the tag `service`), `client`, and `error`. Raises: ArgumentError.
    """
    read = {name: value for name, value in args.items() if value.strip()}
    for name in ("minDuration", "maxDuration"):
        if name in read:
            read[name] = duration_us(read[name])
    if "maxDuration" in read:
        read.setdefault("minDuration", "1")
    if "until" in read:
        read["endTs"] = time_ms(read["until"])
    if "since" in read:
        end_ms = number_or_none(read, "endTs") or now_ms
        lookback_ms = end_ms - int(time_ms(read["since"]))
        if lookback_ms <= 0:
            raise ArgumentError(f"{read['since']} is not before the end of the window")
        read["lookback"] = str(lookback_ms)
    terms = [read.get("annotationQuery", "")]
    terms += [f"{tag}={read[name]}" for name, tag in _TAG_FIELDS.items() if name in read]
    terms += ["error"] if "error" in read else []
    read["annotationQuery"] = " and ".join(filter(None, terms))
    read.setdefault("lookback", str(DEFAULT_LOOKBACK_MS))
    read.setdefault("limit", _LIMIT)
    query = trace_query(read, now_ms=now_ms, lookback_ms=DEFAULT_LOOKBACK_MS)
    return replace(query, limit=min(query.limit, _LIMIT_MAX))


class SearchPage:
    """`/traces`."""

    def __init__(self, store: SpanStore, settings: Settings, renderer: Renderer) -> None:
        self._store = store
        self._settings = settings
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """The form, and what it found."""
        args = read_args(request.scope["query_string"])
        if trace_id := args.get("id", "").strip():
            place = "/traces/" + quote(trace_id, safe="")
            return Response(status_code=302, headers={"location": place})
        now_ms = time.time_ns() // 1_000_000
        error = ""
        traces: Sequence[Sequence[V2Span]] = []
        query: TraceQuery | None = None
        try:
            query = read_query(args, now_ms)
            if self._settings.search_enabled:
                traces = await self._store.search(query)
        except ArgumentError as problem:
            error = str(problem)
        service = args.get("serviceName", "").lower()
        known = {
            "error": error,
            "place": place_of(request) or "http://127.0.0.1:9411",
            "stored": self._store.counts().stored > 0,
            "services": (await self._store.services())[:_CHOICES_MAX],
            "span_names": (await self._store.span_names(service))[:_CHOICES_MAX] if service else [],
            "remotes": (await self._store.remote_services(service))[:_CHOICES_MAX]
            if service
            else [],
        }
        return await asyncio.to_thread(self._page, args, query, traces, known)

    def _page(
        self,
        args: dict[str, str],
        query: TraceQuery | None,
        traces: Sequence[Sequence[V2Span]],
        known: Mapping[str, object],
    ) -> Response:
        found = hits(traces)
        if args.get("sort") == "longest":
            found.sort(key=lambda hit: hit.took_us, reverse=True)
        told = tags_of(traces, _CHOICES_MAX)
        return self._renderer.page(
            "search.html",
            args=args,
            hits=found,
            plot=plot(found),
            searched=query,
            links=_links(args, query, found),
            wider=_wider(args, query),
            more=any(args.get(name, usual) not in ("", usual) for name, usual in _MORE.items()),
            search_enabled=self._settings.search_enabled,
            routes=sorted(told.get("service", ())),
            clients=sorted(told.get("client", ())),
            terms=sorted(f"{key}={value}" for key, values in told.items() for value in values),
            lookbacks=LOOKBACKS,
            lookback=query.lookback_ms if query else DEFAULT_LOOKBACK_MS,
            **known,
        )


def _links(args: Mapping[str, str], query: TraceQuery | None, found: Sequence[Hit]) -> list[Step]:
    """Where to go on from what was found."""
    if query is None or not found:
        return []
    fixed = {name: value for name, value in args.items() if name not in _TIMES}
    lookback = {"lookback": str(query.lookback_ms)}
    steps = [Step("link to just these", _href(fixed | lookback | {"endTs": str(query.end_ms)}))]
    if len(found) >= query.limit:
        older = {"endTs": str(-(-min(hit.start_us for hit in found) // 1_000))}
        if query.limit < _LIMIT_MAX:
            more = str(min(query.limit * 5, _LIMIT_MAX))
            steps.append(Step("show more", _href({**args, "limit": more})))
        steps.append(Step("show older", _href(fixed | lookback | older)))
    if any(map(args.get, _TIMES)):
        steps.append(Step("back to now", _href(fixed)))
    return steps


def _wider(args: Mapping[str, str], query: TraceQuery | None) -> list[Step]:
    """What to try where nothing was found."""
    if query is None:
        return []
    steps = [
        Step(f"search the {text}", _href({**args, "since": "", "lookback": str(ms)}))
        for ms, text in LOOKBACKS
        if ms > query.lookback_ms
    ][-2:]
    narrow = {"lookback", "limit", "sort"}
    if set(filter(args.get, args)) - narrow:
        steps.append(
            Step("leave out all conditions", _href({k: v for k, v in args.items() if k in narrow}))
        )
    return steps


def _href(args: Mapping[str, str]) -> str:
    return "/traces?" + urlencode({name: value for name, value in args.items() if value})
