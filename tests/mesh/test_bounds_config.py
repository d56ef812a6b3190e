"""Bounds as an operator writes them, as the page tells them, and as the engine has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config import load
from dtab import read_path
from edge.settings.edge_config import EdgeConfig
from mesh.config.bounds_config import CamelBounds, HostConnectionPool, PublicBounds
from mesh.config.linkerd_config import MeshConfig
from mesh.process import MeshProcess
from mesh.wiring.tls_wiring import TlsParts
from proxy.settings import ListenerSettings
from tests.kits.sockets import connected
from wire.limits import EDGE_LIMITS

if TYPE_CHECKING:
    from pydantic import BaseModel

PAGE = (Path(__file__).parents[2] / "docs" / "bounds.md").read_text()


@pytest.mark.parametrize("model", [PublicBounds, HostConnectionPool])
def test_the_page_tells_every_bound_with_its_default(model: type[BaseModel]) -> None:
    told = dict(re.findall(r"(?m)^\| `(\w+)` \| (\w+) \|", PAGE))
    for name, field in model.model_fields.items():
        if name == "minSize":
            continue  # Linkerd's key, which may only be what it is
        default = "none" if field.default is None else f"{field.default:.9g}"
        assert told[name] == default, name


def test_the_defaults_are_the_engines() -> None:
    assert PublicBounds().settings() == CamelBounds().settings() == ListenerSettings()
    assert PublicBounds().limits() == EDGE_LIMITS


def test_every_bound_of_a_listener_can_be_set() -> None:
    fields = set(ListenerSettings.__dataclass_fields__)
    assert fields - set(CamelBounds.model_fields) == {"links"}


def test_the_gateways_file_sets_them() -> None:
    text = "listener: {bounds: {idle_timeout_s: 75, headers_max: 20, body_bytes_max: 5000}}\n"
    bounds = load(EdgeConfig, text, source="edge.yml").listener.bounds
    assert bounds.settings() == ListenerSettings(idle_timeout_s=75.0)
    assert (bounds.limits().headers_max, bounds.limits().body_bytes_max) == (20, 5_000)


async def test_a_router_of_the_mesh_keeps_to_them() -> None:
    text = """
admin: {port: 0}
routers:
- protocol: http
  label: in
  servers: [{port: 0, bounds: {headTimeoutS: 0.2}}]
"""
    mesh = MeshProcess(load(MeshConfig, text, source="mesh.yml", env={}))
    await mesh.start()
    try:
        async with connected(mesh.ports["in"]) as client:
            client.writer.write(b"GET / HT")
            head, _ = await client.answer()
    finally:
        await mesh.aclose(0.0)
    assert b" 408 " in head.partition(b"\r\n")[0]


def test_a_client_block_bounds_the_connections_to_an_endpoint() -> None:
    text = """
routers:
- protocol: http
  servers: [{port: 0}]
  client:
    kind: io.l5d.static
    configs:
    - prefix: /#/io.l5d.fs/web
      hostConnectionPool: {minSize: 0, maxSize: 5, maxWaiters: 7, idleTimeMs: 1500}
"""
    clients = TlsParts().clients(load(MeshConfig, text, source="m.yml", env={}).routers[0].client)
    pool = clients.of(read_path("/#/io.l5d.fs/web")).pool
    assert (pool.connections_max, pool.waiters_max, pool.idle_timeout_s) == (5, 7, 1.5)
    assert clients.of(read_path("/#/io.l5d.fs/other")).pool.connections_max == 10_000
