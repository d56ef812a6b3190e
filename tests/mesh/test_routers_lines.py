"""Lines that a router before us wrote, read in one look, are what reading each of them gives."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mesh.context import RequestContext, read_linkerd_context, read_request_context
from mesh.faces.face import LinkerdFace
from mesh.faces.identify import HeaderToken
from proxy.call import Peer
from tracing.context import new_root
from tracing.l5d import child_lines
from wire.errors import BadRequest
from wire.limits import MESH_LIMITS
from wire.request import RequestHead, read_request_head

FACE = LinkerdFace(HeaderToken())
PEER = Peer("10.0.0.1", 1)
TRACE = child_lines(new_root(b"12345678"), b"abcdefgh")
WRITTEN = (
    b"\r\nVia: 1.1 weir",
    TRACE,
    b"\r\nl5d-dst-service: /svc/web\r\nl5d-dst-client: /#/io.l5d.fs/web",
    b"\r\nl5d-dst-residual: /rest",
    b"\r\nl5d-ctx-dtab: /a => /b",
)
USUAL = b"".join(WRITTEN[:3])
CALLERS = (
    b"\r\nAccept: */*",
    b"\r\nX-Forwarded-For: 192.0.2.1",
    b"\r\nX-Forwarded-Client-Cert: Hash=1",
    b"\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b"\r\nVIA: 1.0 other",
    b"\r\nl5d-dtab: /x => /y",
    b"\r\nL5D-Sample: 1.0",
    b"\r\nl5d-ctx-deadline: 1 2",
    b"\r\nl5d-other: mine",
    b"\r\nfinagle-http-retryable-request: ",
    b"\r\nTE: trailers",
    b"\r\nExpect: 100-continue",
    b"\r\nConnection: keep-alive",
    b"\r\nConnection: accept",
    b"\r\nContent-Length: 5",
)
BLOCKS = st.lists(st.sampled_from((*CALLERS, *WRITTEN, USUAL)), max_size=9).map(b"".join)


def request_of(lines: bytes) -> RequestHead | None:
    try:
        head = b"GET / HTTP/1.1\r\nHost: web" + lines + b"\r\n\r\n"
        return read_request_head(head, MESH_LIMITS)
    except BadRequest:
        return None


def said(context: RequestContext) -> RequestContext:
    return msgspec.structs.replace(context, own_at=0)


@given(BLOCKS)
@example(USUAL)
@example(b"".join(WRITTEN))
@example(USUAL + b"\r\nAccept: */*")
@example(b"\r\nl5d-dtab: /x => /y" + USUAL)
@example(b"\r\nX-Forwarded-Client-Cert: Hash=1" + USUAL)
@example(USUAL + USUAL)
def test_one_look_reads_what_many_read(lines: bytes) -> None:
    request = request_of(lines)
    if request is None:
        return
    context = read_request_context(request)
    carefully = read_linkerd_context(request.block)
    assert said(context) == carefully
    assert FACE.upstream_block(request, context, PEER) == FACE.upstream_block(
        request, carefully, PEER
    )


@pytest.mark.parametrize("lines", [USUAL, b"".join(WRITTEN), b"\r\nAccept: */*" + USUAL])
def test_what_a_router_writes_is_read_in_one_look(lines: bytes) -> None:
    request = request_of(lines)
    assert request is not None
    assert read_request_context(request).own_at
