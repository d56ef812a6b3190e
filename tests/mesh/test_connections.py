"""What the admin port tells of a server's connections."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.kits.running import until
from tests.kits.serving import GET, mesh_config, serving
from tests.kits.sockets import connected, exchange, upstream

if TYPE_CHECKING:
    from pathlib import Path


async def test_connections_are_counted_open_refused_and_malformed(tmp_path: Path) -> None:
    async with upstream() as behind:
        config = mesh_config(tmp_path, behind.port).replace(
            "{port: 0}]\n", "{port: 0, bounds: {connectionsMax: 2}}]\n"
        )
        with serving(tmp_path, "mesh", config) as mesh:
            port = mesh.ports["out"]
            async with connected(port) as one, connected(port) as two:
                assert (await one.ask(GET))[1] == (await two.ask(GET))[1] == b"hello"
                with contextlib.suppress(ConnectionError):
                    assert await exchange(port, GET) == b""
                found = {
                    name: await asyncio.to_thread(mesh.metric, f"/{name}")
                    for name in ("connections", "connects", "connects_rejected", "tunnels")
                }
                assert found == {
                    "connections": 2 + 1,  # the client's own to its endpoint among them
                    "connects": 2,
                    "connects_rejected": 1,
                    "tunnels": 0,
                }
            await asyncio.to_thread(until, lambda: mesh.metric("/connections") <= 1)
            assert b" 400 " in await exchange(port, b"nonsense\r\n\r\n")
            assert await asyncio.to_thread(mesh.metric, "/malformed_requests") == 1
            text = (await asyncio.to_thread(mesh.get, "/admin/metrics/prometheus")).text
            assert 'rt:server:connects_rejected{rt="out", server="' in text
