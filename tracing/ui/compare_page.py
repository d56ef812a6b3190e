"""The page of two traces side by side."""

import asyncio
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response

from tracing.pipeline.http.query_args import ArgumentError
from tracing.ui.compare import Comparison
from tracing.ui.paging import part_from
from tracing.ui.recent import Recent
from tracing.ui.render import Renderer
from tracing.ui.view import Waterfall

_FIELDS_MAX: Final = 1_000


class ComparePage:
    """`/compare`."""

    def __init__(self, recent: Recent, renderer: Renderer) -> None:
        self._recent = recent
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """Two traces: `a` and `b`, or the first two of several `t`.

        `changed` leaves the steps that are not the same in both; `from` is the number of a page's
        first step.
        """
        query = request.scope["query_string"].decode("latin-1")
        try:
            pairs = parse_qsl(query, max_num_fields=_FIELDS_MAX)
        except ValueError as error:
            raise ArgumentError("too many parameters") from error
        chosen = [value for name, value in pairs if name in ("a", "b", "t") and value.strip()][:2]
        if len(chosen) < 2:  # noqa: PLR2004 - two are compared
            raise ArgumentError("Two traces are compared: tick two of a search's answer.")
        async with self._recent.open(chosen[0]) as a, self._recent.open(chosen[1]) as b:
            return await asyncio.to_thread(self._page, a, b, dict(pairs))

    def _page(self, a: Waterfall, b: Waterfall, args: dict[str, str]) -> Response:
        both = Comparison(a, b)
        changed = bool(args.get("changed"))
        steps = both.changed() if changed else both.steps
        part = part_from(args, len(steps))
        kept = {"a": a.trace_id, "b": b.trace_id} | ({"changed": "1"} if changed else {})
        return self._renderer.page(
            "compare.html",
            a=a,
            b=b,
            sums=both.sums(),
            changed=changed,
            kept=urlencode(kept),
            pairs=both.pairs(steps[part.start : part.end]),
            part=part,
        )
