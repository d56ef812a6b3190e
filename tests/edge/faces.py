"""The gateway's decisions without its sockets: a face, a head, and what goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config import load
from edge.answers.face import EdgeFace
from edge.assembly import assemble
from edge.settings.edge_config import EdgeConfig
from edge.verdict.context import EdgeContext
from proxy.call import Peer
from wire.limits import EDGE_LIMITS
from wire.request import read_request_head

if TYPE_CHECKING:
    from wire.request import RequestHead

PEER = Peer("10.9.8.7", 1234)


def face_of(text: str) -> EdgeFace:
    """The face by this configuration."""
    return EdgeFace(assemble(load(EdgeConfig, text, source="edge.yml")).face)


def head(
    *lines: bytes, host: bytes = b"www.hello.world", target: bytes = b"/", method: bytes = b"GET"
) -> RequestHead:
    """A request's head; `lines` are its header lines besides Host."""
    start = method + b" " + target + b" HTTP/1.1"
    raw = b"\r\n".join((start, b"Host: " + host, *lines)) + b"\r\n\r\n"
    return read_request_head(raw, EDGE_LIMITS)


def believed(
    face: EdgeFace, request: RequestHead, peer: Peer = PEER
) -> tuple[EdgeContext, bytes | None]:
    """What the face believes of a request that it does not answer itself, and its key."""
    found = face.read(request, peer)
    assert isinstance(found, tuple)
    assert isinstance(found[0], EdgeContext)
    return found[0], found[1]


def passed_on(face: EdgeFace, request: RequestHead, peer: Peer = PEER) -> bytes:
    """The header lines that go on to an upstream."""
    return face.upstream_block(request, believed(face, request, peer)[0], peer)
