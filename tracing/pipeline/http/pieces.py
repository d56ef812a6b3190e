"""Long answers in pieces, so that no other request waits while one is written and packed."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Final

from starlette.responses import HTMLResponse, Response, StreamingResponse

from tracing.pipeline.model import V2Span, to_json

_Trace = Sequence[V2Span]

_JSON: Final = "application/json"
_PIECE_SPANS: Final = 500  # some 150 kB: 1 ms to write, 3 to pack
_PIECE_BYTES: Final = 131_072


def trace_response(trace: _Trace) -> Response:
    """The JSON of one trace."""
    if len(trace) <= _PIECE_SPANS:
        return Response(to_json(trace), media_type=_JSON)
    return StreamingResponse(_in_turns(_one(trace)), media_type=_JSON)


def traces_response(traces: Sequence[_Trace]) -> Response:
    """The JSON of several traces."""
    if sum(map(len, traces)) <= _PIECE_SPANS:
        return Response(to_json(traces), media_type=_JSON)
    return StreamingResponse(_in_turns(_many(traces)), media_type=_JSON)


def page_response(html: str, status: int, headers: Mapping[str, str]) -> Response:
    """A page."""
    body = html.encode()
    if len(body) <= _PIECE_BYTES:
        return HTMLResponse(body, status, headers)
    parts = (body[at : at + _PIECE_BYTES] for at in range(0, len(body), _PIECE_BYTES))
    return StreamingResponse(_in_turns(parts), status, headers, media_type="text/html")


async def _in_turns(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


def _one(trace: _Trace) -> Iterator[bytes]:
    parts = [trace[at : at + _PIECE_SPANS] for at in range(0, len(trace), _PIECE_SPANS)]
    parts.reverse()
    del trace  # so that what was sent goes part by part, too
    before = b"["
    while parts:
        yield before + to_json(parts.pop())[1:-1]
        before = b","
    yield b"]"


def _many(traces: Sequence[_Trace]) -> Iterator[bytes]:
    before = b"["
    for group in _groups(traces):
        yield before
        before = b","
        if len(group) == 1:
            yield from _one(group[0])
        else:
            yield to_json(group)[1:-1]
    yield b"]"


def _groups(traces: Sequence[_Trace]) -> Iterator[list[_Trace]]:
    """Traces that go into one piece together; one that is larger stands alone."""
    group: list[_Trace] = []
    spans = 0
    for trace in traces:
        if group and spans + len(trace) > _PIECE_SPANS:
            yield group
            group, spans = [], 0
        group.append(trace)
        spans += len(trace)
    yield group
