"""How long requests take, by method, status and path, as the real server counts them."""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Upper ends in seconds; the real server has sixty-eight of them between the same two.
_ENDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS: Final = frozenset(
    {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "CONNECT"}
)
_NOT_FOUND: Final = 404


class _Times:
    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(_ENDS) + 1)
        self.sum_s = 0.0


class RequestTimes:
    """A histogram for each method, status and path.

    Bounds: paths are those that are known, with `{name}` for what varies; of a path that is not
    there only that is told, and of methods those that HTTP has.
    """

    def __init__(self) -> None:
        self._times: dict[tuple[str, int, str], _Times] = {}

    def note(self, method: str, status: int, uri: str, elapsed_s: float) -> None:
        """One request was answered."""
        times = self._times.setdefault((method, status, uri), _Times())
        times.counts[bisect_left(_ENDS, elapsed_s)] += 1
        times.sum_s += elapsed_s

    def samples(self) -> Iterator[tuple[str, float]]:
        """What stands behind the metric's name, and the value."""
        for (method, status, uri), times in self._times.items():
            labels = f'method="{method}",status="{status}",uri="{uri}"'
            sums = list(accumulate(times.counts))
            for end, count in zip((*_ENDS, "+Inf"), sums, strict=True):
                yield f'_bucket{{{labels},le="{end}"}}', count
            yield f"_count{{{labels}}}", sums[-1]
            yield f"_sum{{{labels}}}", times.sum_s


class Timed:
    """An ASGI application whose requests are timed.

    Shape: `paths` are those that it serves without a route of Starlette's.
    """

    def __init__(self, app: ASGIApp, times: RequestTimes, paths: Iterable[str]) -> None:
        self._app = app
        self._times = times
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return  # no websockets; the server runs us without the lifespan protocol
        began = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, receive, noting)
        if status:  # the sender waited for an answer
            method = scope["method"]
            elapsed_s = time.perf_counter() - began
            self._times.note(
                method if method in _METHODS else "other",
                status,
                self._uri(scope, status),
                elapsed_s,
            )

    def _uri(self, scope: Scope, status: int) -> str:
        if 300 <= status < 400:  # noqa: PLR2004 - those that lead elsewhere
            return "REDIRECTION"
        if status == _NOT_FOUND:
            return "NOT_FOUND"
        if scope["path"] in self._paths:
            return str(scope["path"])
        route = scope.get("route")
        if not isinstance(route, Route):
            return "other"
        # The page's own way to the query API leads to the same API.
        return route.path.replace("/zipkin/api/", "/api/")
