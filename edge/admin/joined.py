"""Admin pages of several workers in one: sums, and lists side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from edge.admin.counts import drain_state
from edge.admin.metrics import exposition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from mesh.admin.metrics import Snapshot
    from mesh.admin.summed import Joined

_RECENT_MAX = 200


def metrics(request: Request, counted: Snapshot, answers: Sequence[Response]) -> Response:
    """`/metrics` of all workers, those that are gone included."""
    del answers
    text, content_type = exposition(counted, request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": content_type})


def edge_json(request: Request, counted: Snapshot, answers: Sequence[Response]) -> Response:
    """`/edge.json`: counts added up, everything else as the first worker tells it."""
    del request, counted
    told: dict[str, Any] = {}
    for answer in answers:
        told = _added(told, json.loads(bytes(answer.body)))
    return JSONResponse(told)


def _added(one: Any, other: Any) -> Any:
    match one, other:
        case dict(), dict():
            return {
                key: _added(one[key], other[key])
                if key in one and key in other
                else one.get(key, other.get(key))
                for key in (*one, *(key for key in other if key not in one))
            }
        case bool(), _:
            return one or other
        case int(), int():
            return one + other
        case _:
            return one if one is not None else other


def recent(request: Request, counted: Snapshot, answers: Sequence[Response]) -> Response:
    """`/recent`: the newest requests of all workers."""
    del counted
    if "text/html" in request.headers.get("accept", ""):
        return answers[0]
    rows = [row for answer in answers for row in json.loads(bytes(answer.body))]
    rows.sort(key=lambda row: row["start_us"], reverse=True)
    return JSONResponse(rows[:_RECENT_MAX])


def drain(request: Request, counted: Snapshot, answers: Sequence[Response]) -> Response:
    """`/drain`: what is left in all workers."""
    del request, answers
    draining = "draining" if counted.more.get("edge/draining") else None
    return JSONResponse(drain_state(draining, {"edge/connections": 0.0, **counted.more}))


JOINED: Mapping[str, Joined] = {
    "/metrics": metrics,
    "/edge.json": edge_json,
    "/recent": recent,
    "/drain": drain,
}
