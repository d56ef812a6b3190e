"""A WebSocket along the whole way: gateway, mesh router, and nginx in front of the service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus

from tests.kits.peers import needs_nginx, nginx
from tests.kits.serving import mesh_config, serving

if TYPE_CHECKING:
    from pathlib import Path


UPGRADES = "upgrades: [websocket]"


def edge_config(port: int) -> str:
    return f"""
listener: {{port: 0}}
admin: {{port: 0}}
hosts: [{{host: web, forward: "127.0.0.1:{port}"}}]
"""


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@pytest.mark.peer
@needs_nginx
async def test_a_websocket_crosses_gateway_mesh_and_nginx(tmp_path: Path) -> None:
    gateway = tmp_path / "gateway"
    gateway.mkdir()
    async with serve(_echo, "127.0.0.1", 0) as server:
        service = server.sockets[0].getsockname()[1]
        with (
            nginx(tmp_path, service, websockets=True) as front,
            serving(
                tmp_path, "mesh", mesh_config(tmp_path, front, router="upgrades: [websocket]")
            ) as m,
            serving(gateway, "edge", edge_config(m.ports["out"])) as edge,
        ):
            port = edge.ports["public"]
            async with connect(
                "ws://web/chat", max_size=None, host="127.0.0.1", port=port
            ) as socket:
                for message in ("hello", os.urandom(900_000)):
                    await socket.send(message)
                    assert await socket.recv() == message
                await socket.ping()


async def test_a_router_without_the_option_answers_as_linkerd_does(tmp_path: Path) -> None:
    async with serve(_echo, "127.0.0.1", 0) as server:
        service = server.sockets[0].getsockname()[1]
        with serving(tmp_path, "mesh", mesh_config(tmp_path, service)) as mesh:
            port = mesh.ports["out"]
            with pytest.raises(InvalidStatus) as refused:
                await connect("ws://web/", host="127.0.0.1", port=port)
            assert refused.value.response.status_code == 426
