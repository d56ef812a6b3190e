"""What services and clients are told of where a request came from, and by which id to find it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from edge.verdict.context import EdgeContext
from edge.verdict.forwarding import Forwarding
from tests.kits.edge_process import running_edge
from tests.kits.sockets import connected, upstream
from tracing.context import TraceContext

if TYPE_CHECKING:
    from pathlib import Path

TRACE = TraceContext(bytes.fromhex("463ac35c9f6413ad48485a3953bb6124"), b"12345678", None, 0)
FORGED = (
    b"GET / HTTP/1.1\r\nHost: a.example\r\n"
    b"X-Request-Id: forged\r\nForwarded: for=192.0.2.66\r\n\r\n"
)


@pytest.mark.parametrize(
    ("host", "client", "peer", "line"),
    [
        (b"a", "192.0.2.1", "192.0.2.1", b"for=192.0.2.1;host=a;proto=http"),
        (b"a:80", "2001:db8::1", "2001:db8::1", b'for="[2001:db8::1]";host="a:80";proto=http'),
        (b"a", "192.0.2.1", "10.0.0.1", b"for=192.0.2.1;host=a;proto=http, for=10.0.0.1"),
    ],
)
def test_a_forwarded_line_names_every_hop(host: bytes, client: str, peer: str, line: bytes) -> None:
    context = EdgeContext(host=host, client=client)
    assert Forwarding(forwarded=True).upstream(b"", context, peer) == b"\r\nForwarded: " + line


def test_an_id_is_replaced_on_both_ways() -> None:
    forwarding = Forwarding(request_id=b"X-Request-Id")
    context = EdgeContext(trace=TRACE)
    block = b"\r\nx-request-id: forged\r\nX: 1\r\nX-REQUEST-ID : twice"
    told = b"\r\nX: 1\r\nX-Request-Id: 463ac35c9f6413ad48485a3953bb6124"
    assert forwarding.upstream(block, context, "") == told
    assert forwarding.answer(block, context) == told


async def test_a_service_and_its_client_get_the_same_id(tmp_path: Path) -> None:
    async with upstream() as behind:
        config = (
            "listener: {ip: 127.0.0.1, port: 0}\nadmin: {port: 0}\n"
            f"hosts: [{{host: a.example, forward: '127.0.0.1:{behind.port}'}}]\n"
            "forwarding: {forwarded: true, request_id: X-Request-Id}\n"
        )
        with running_edge(tmp_path, config) as edge:
            async with connected(edge.port) as client:
                head, _ = await client.ask(FORGED)
    ids = re.findall(rb"\r\nX-Request-Id: ([0-9a-f]+)(?=\r)", behind.seen)
    assert len(ids) == 1
    assert re.findall(rb"\r\nX-Request-Id: ([0-9a-f]+)\r", head) == ids
    assert b"\r\nForwarded: for=127.0.0.1;host=a.example;proto=http\r\n" in behind.seen
    assert b"forged" not in behind.seen
    assert b"192.0.2.66" not in behind.seen
