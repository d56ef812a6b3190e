"""The pages of one trace, and of why it went its way."""

import asyncio
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from tracing.pipeline.http.query_args import ArgumentError, read_args
from tracing.pipeline.tree import Row
from tracing.ui.names import name_of
from tracing.ui.paging import Part, part_from, part_with
from tracing.ui.recent import Recent
from tracing.ui.render import Renderer, place_of
from tracing.ui.story import STEPS_MAX, story
from tracing.ui.view import Waterfall, holds, is_error

_NARROWING: Final = ("focus", "find", "errors", "orphans")


class TracePages:
    """`/traces/{trace_id}`, `/traces/{trace_id}/why`."""

    def __init__(self, recent: Recent, renderer: Renderer) -> None:
        self._recent = recent
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """The waterfall: whole, below one span (`focus`), or what fits (`find`, `errors`,
        `orphans`: those whose parent is missing).

        `span` opens the page of its row; `from` is the number of a page's first row.
        """
        args = read_args(request.scope["query_string"])
        async with self._recent.open(request.path_params["trace_id"]) as trace:
            # As a whole in a thread: of a large trace each step takes a while.
            return await asyncio.to_thread(self._waterfall, trace, args, place_of(request))

    def _waterfall(self, trace: Waterfall, args: dict[str, str], place: str) -> Response:
        rows = _chosen(trace, args)
        part = _part(rows, args)
        kept = {name: args[name] for name in _NARROWING if args.get(name)}
        return self._renderer.page(
            "trace.html",
            trace=trace,
            name=name_of(trace.rows[0].span),
            bars=trace.bars(rows[part.start : part.end]),
            part=part,
            args=args,
            kept=urlencode(kept),
            filtered=bool(kept),
            explain=_explain(trace.trace_id, place),
        )

    async def why(self, request: Request) -> Response:
        """What `weir explain --trace` tells."""
        async with self._recent.open(request.path_params["trace_id"]) as trace:
            return await asyncio.to_thread(self._story, trace, place_of(request))

    def _story(self, trace: Waterfall, place: str) -> Response:
        steps = story(trace)
        return self._renderer.page(
            "why.html",
            trace_id=trace.trace_id,
            steps=steps,
            left_out=len(steps) >= STEPS_MAX,
            explain=_explain(trace.trace_id, place),
        )


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


def _part(rows: Sequence[Row], args: dict[str, str]) -> Part:
    if span := args.get("span"):
        at = next((at for at, row in enumerate(rows) if row.span.id == span), 0)
        return part_with(at, len(rows))
    return part_from(args, len(rows))


def _explain(trace_id: str, place: str) -> str:
    """The command that tells why a trace went where it went."""
    command = f"weir explain --trace {trace_id}"
    return f"{command} --collector {place}" if place else command
