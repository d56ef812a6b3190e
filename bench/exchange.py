"""One exchange without sockets: what the interpreter spends on a request, in the engine and above.

A client's connection and an upstream's whose transports go nowhere; everything between them is the
product: reading, policy, routing, header lines, counts. With lines that came before on the
connection, with others each time, and in a router of the mesh behind the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from bench._shapes import HEADERS
from config import load
from edge.process import EdgeProcess
from edge.settings.edge_config import EdgeConfig
from mesh.config.linkerd_config import MeshConfig
from mesh.process import MeshProcess
from proxy.call import Later, Peer
from proxy.downstream import Downstream
from proxy.upstream import Upstream
from wire.request import read_request_head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mesh.routing.router import Router
    from proxy.listener import Listener

_LINES: Final = "\r\n".join(HEADERS).encode()
_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 11:00:%02d GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\nHello world\n"
)
_KINDS: Final = 59  # of heads and answers, where they differ
_EDGE: Final = """
listener: {ip: 127.0.0.1, port: 0, bounds: {requests_max: 10000000}}
admin: {port: 0}
hosts: [www.hello.world]
dtab: |
  /domain/world/hello/www => /#/io.l5d.fs/hello ;
  /host => /$/io.buoyant.http.domainToPathPfx/domain ;
  /svc => /host ;
namers: [{kind: io.l5d.fs, rootDir: "%s"}]
trust:
- name: dogfood
  cookie: {name: special_employee_cookie, equals: dogfood}
  override: /host/world => /srv/world-v2
"""
_MESH: Final = """
admin: {port: 0}
namers: [{kind: io.l5d.fs, rootDir: "%s"}]
routers:
- protocol: http
  label: incoming
  dtab: /svc => /#/io.l5d.fs/hello
  servers: [{ip: 127.0.0.1, port: 0, bounds: {requestsMax: 10000000}}]
"""


class _Nowhere(asyncio.Transport):
    """Takes what is written, and forgets it."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.last = data

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """As above."""

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("192.0.2.1", 40_000) if name == "peername" else default


def _by_a_client(number: int) -> bytes:
    return b"GET / HTTP/1.1\r\n%b\r\nX-Request-Id: %032x\r\n\r\n" % (_LINES, number)


def _by_a_gateway(number: int) -> bytes:
    trace = os.urandom(24) + bytes(8)
    more = (
        b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
        b"X-Forwarded-Host: www.hello.world\r\nVia: 1.1 weir\r\n"
        b"l5d-ctx-trace: %b\r\nl5d-reqid: %b\r\n"
        b"l5d-dst-service: /svc/www.hello.world\r\nl5d-dst-client: /#/io.l5d.fs/hello\r\n\r\n"
    ) % (b64encode(trace), trace[:8].hex().encode())
    return _by_a_client(number)[:-2] + more


class _Pair:
    """A client's connection and an upstream's, by a warm route."""

    def __init__(self, listener: Listener, router: Router) -> None:
        pool = next(iter(router.clients)).replicas[0].pool
        self.upstream, self.client, self.wire = Upstream(pool), Downstream(listener), _Nowhere()
        self.upstream.connection_made(_Nowhere())
        self.client.connection_made(self.wire)
        pool.connections += 1
        pool.give_back(self.upstream)

    def us(
        self, heads: Iterator[bytes], answers: Iterator[bytes], *, brief: bool
    ) -> tuple[float, float]:
        """The least and the median cost of an exchange, in microseconds of CPU."""
        rounds, calls = (5, 50) if brief else (60, 1_000)
        samples = []
        for _ in range(rounds):
            start = time.process_time()
            for _ in range(calls):
                self.client.data_received(next(heads))
                self.upstream.data_received(next(answers))
            samples.append((time.process_time() - start) / calls * 1e6)
        assert bytes(self.wire.last).endswith(b"Hello world\n")
        return min(samples), statistics.median(samples)


async def _pair(listener: Listener, router: Router, head: bytes) -> _Pair:
    request = read_request_head(head, listener.limits)
    decided = router.on_request(request, Peer("192.0.2.1", 40_000))
    if isinstance(decided, Later):
        await decided.decided  # the route is compiled
    return _Pair(listener, router)


async def _run(*, brief: bool) -> None:
    kinds = range(_KINDS)
    answers = [_ANSWER % number for number in kinds]
    by_clients, by_gateways = [[make(n) for n in kinds] for make in (_by_a_client, _by_a_gateway)]
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        (Path(name) / "hello").write_text("127.0.0.1 9\n")  # nobody is asked there
        edge = EdgeProcess(load(EdgeConfig, _EDGE % name, source="bench"))
        mesh = MeshProcess(load(MeshConfig, _MESH % name, source="bench"))
        await edge.start()
        await mesh.start()
        gateway = await _pair(edge.listeners[0], edge.router, by_clients[0])
        incoming = await _pair(mesh.listeners[0], mesh.routers[0], by_gateways[0])
        for label, pair, heads, said in (
            ("gateway, the same lines", gateway, by_clients[:1], answers[:1]),
            ("gateway, other requests", gateway, by_clients, answers[:1]),
            ("gateway, other answers too", gateway, by_clients, answers),
            ("mesh, behind a gateway", incoming, by_gateways, answers),
        ):
            least, median = pair.us(itertools.cycle(heads), itertools.cycle(said), brief=brief)
            sys.stdout.write(f"{label:28}{least:6.1f} µs an exchange, median {median:.1f}\n")
        await mesh.aclose()
        await edge.aclose()


def main(argv: list[str]) -> int:
    """Always 0: there is no goal of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench exchange", description=__doc__)
    parser.add_argument("--brief", action="store_true", help="a moment: does it still run?")
    uvloop.run(_run(brief=parser.parse_args(argv).brief))
    return 0
