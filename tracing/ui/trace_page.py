"""The pages of one trace, of why it went its way, and of two traces."""

import asyncio
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from tracing.pipeline import normalise
from tracing.pipeline.http.query_args import ArgumentError, read_args
from tracing.pipeline.store.port import SpanStore
from tracing.pipeline.tree import Row
from tracing.ui.compare import compare
from tracing.ui.names import name_of
from tracing.ui.render import Renderer, Step, place_of
from tracing.ui.story import STEPS_MAX, story
from tracing.ui.view import Waterfall, holds, is_error, waterfall

_ROWS_MAX: Final = 1_000  # of one page of a waterfall; a browser stays quick with that many
_NARROWING: Final = ("focus", "find", "errors", "orphans")
_FIELDS_MAX: Final = 1_000
_LARGE_ROWS: Final = 5_000  # from here on it takes more than 50 ms to read and join a trace
_KEPT_MAX: Final = 2
_KEPT_S: Final = 20.0
_NO_SUCH: Final = (
    "It was not sampled, has not arrived yet, waits for the tail's verdict, or is forgotten: "
)


class TracePages:
    """`/traces/{trace_id}`, `/traces/{trace_id}/why`, `/compare`."""

    def __init__(self, store: SpanStore, renderer: Renderer) -> None:
        self._recent = _Recent(store)
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """The waterfall: whole, below one span (`focus`), or what fits (`find`, `errors`,
        `orphans`: those whose parent is missing).

        `span` opens the page of its row; `from` is the number of a page's first row.
        """
        trace_id = _read_id(request.path_params["trace_id"])
        trace = await self._recent.get(trace_id)
        if trace is None:
            return self._unknown(trace_id)
        args = read_args(request.scope["query_string"])
        rows = await asyncio.to_thread(_chosen, trace, args)
        start = _start(rows, args)
        kept = {
            name: args[name] for name in ("focus", "find", "errors", "orphans") if args.get(name)
        }
        return await self._renderer.large(
            "trace.html",
            trace=trace,
            name=name_of(trace.rows[0].span),
            bars=trace.bars(rows[start : start + _ROWS_MAX]),
            total=len(rows),
            start=start,
            step=_ROWS_MAX,
            args=args,
            kept=urlencode(kept),
            filtered=bool(kept),
            explain=_explain(trace.trace_id, place_of(request)),
        )

    async def why(self, request: Request) -> Response:
        """What `weir explain --trace` tells."""
        trace_id = _read_id(request.path_params["trace_id"])
        trace = await self._recent.get(trace_id)
        if trace is None:
            return self._unknown(trace_id)
        steps = await asyncio.to_thread(story, trace)
        return await self._renderer.large(
            "why.html",
            trace_id=trace_id,
            steps=steps,
            left_out=len(steps) >= STEPS_MAX,
            explain=_explain(trace_id, place_of(request)),
        )

    async def compare(self, request: Request) -> Response:
        """Two traces: `a` and `b`, or the first two of several `t`."""
        query = request.scope["query_string"].decode("latin-1")
        try:
            pairs = parse_qsl(query, max_num_fields=_FIELDS_MAX)
        except ValueError as error:
            raise ArgumentError("too many parameters") from error
        chosen = [value for name, value in pairs if name in ("a", "b", "t") and value.strip()][:2]
        if len(chosen) < 2:  # noqa: PLR2004 - two are compared
            raise ArgumentError("Two traces are compared: tick two of a search's answer.")
        traces = []
        for trace_id in map(_read_id, chosen):
            trace = await self._recent.get(trace_id)
            if trace is None:
                return self._unknown(trace_id)
            traces.append(trace)
        a, b = traces
        found = await asyncio.to_thread(compare, a, b)
        return await self._renderer.large(
            "compare.html", a=a, b=b, pairs=found[:_ROWS_MAX], total=len(found)
        )

    def _unknown(self, trace_id: str) -> Response:
        again = Step("Look again", f"/traces/{quote(trace_id)}")
        return self._renderer.message(404, "No such trace", _NO_SUCH + trace_id, again)


class _Recent:
    """Traces as rows. The large ones are kept for a while: one is read page by page."""

    def __init__(self, store: SpanStore) -> None:
        self._store = store
        self._kept: dict[str, Waterfall] = {}

    async def get(self, trace_id: str) -> Waterfall | None:
        """A trace, as it is or was a moment ago; None when the store has none of its spans."""
        if trace_id in self._kept:
            return self._kept[trace_id]
        spans = await self._store.trace(trace_id)
        if not spans:
            return None
        trace = await asyncio.to_thread(waterfall, spans)
        if len(trace.rows) >= _LARGE_ROWS:
            while len(self._kept) >= _KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            self._kept[trace_id] = trace
            # Not when somebody comes again: 100,000 rows are 150 MB that nobody may want any more.
            asyncio.get_running_loop().call_later(_KEPT_S, self._kept.pop, trace_id, None)
        return trace


def _read_id(text: str) -> str:
    return normalise.trace_id(text.strip())


def _chosen(trace: Waterfall, args: dict[str, str]) -> list[Row]:
    rows = trace.rows
    if focus := args.get("focus", "").strip():
        rows = trace.below(focus)
        if not rows:
            raise ArgumentError(f"This trace has no span {focus}.")
    if args.get("orphans"):
        rows = [row for row in rows if row.span.parent_id in trace.orphans]
    if args.get("errors"):
        rows = [row for row in rows if is_error(row.span)]
    if find := args.get("find", "").strip().lower():
        rows = [row for row in rows if holds(row.span, find)]
    return rows


def _start(rows: Sequence[Row], args: dict[str, str]) -> int:
    if span := args.get("span"):
        at = next((at for at, row in enumerate(rows) if row.span.id == span), 0)
        return at // _ROWS_MAX * _ROWS_MAX
    text = args.get("from", "0")
    first = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004
    return min(first, max(len(rows) - 1, 0))


def _explain(trace_id: str, place: str) -> str:
    """The command that tells why a trace went where it went."""
    command = f"weir explain --trace {trace_id}"
    return f"{command} --collector {place}" if place else command
