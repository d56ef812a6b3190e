"""What a file that is read again changes: what can be changed, and no less."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from config import load
from mesh.config.linkerd_config import MeshConfig
from mesh.reload import in_force
from tests.kits.running import until
from tests.kits.serving import mesh_config, serving
from tests.kits.sockets import upstream

if TYPE_CHECKING:
    from pathlib import Path

OUT = "{protocol: http, label: out, servers: [{port: 1}]"
BEFORE = f"routers: [{OUT}}}]"
WAITS = {
    f"routers: [{OUT}, dtab: /a => /b}}]": (),
    f"admin: {{port: 7}}\nworkers: 2\nrouters: [{OUT}}}]": ("admin", "workers"),
    BEFORE.replace("port: 1", "port: 2"): ("routers.out.servers",),
    f"routers: [{OUT}, upgrades: [websocket]}}]": ("routers.out.upgrades",),
    f"routers: [{OUT}, tracePropagator: {{kind: io.l5d.zipkin}}}}]": (
        "routers.out.tracePropagator",
    ),
    f"routers: [{OUT}, interpreter: {{kind: io.l5d.fs, dtabFile: /x}}}}]": (
        "routers.out.interpreter",
    ),
    f"routers: [{OUT}}}, {{protocol: http, servers: [{{port: 2}}]}}]": ("routers.http",),
    "routers: [{protocol: http, servers: [{port: 1}]}]": ("routers.out", "routers.http"),
}


@pytest.mark.parametrize("after", WAITS)
def test_what_waits_is_named_and_stays(after: str) -> None:
    before, changed = (load(MeshConfig, text, source="mesh.yml") for text in (BEFORE, after))
    config, waits = in_force(before, changed)
    assert waits == WAITS[after]
    assert config == (before if waits else changed)


async def test_what_need_not_wait_is_in_force_beside_what_must(tmp_path: Path) -> None:
    async with upstream() as behind:
        with serving(tmp_path, "mesh", mesh_config(tmp_path, behind.port)) as mesh:
            file = tmp_path / "mesh.yml"
            text = file.read_text().replace("/svc => /#/io.l5d.fs", "/svc => /#/new")
            file.write_text(text.replace("{port: 0}]\n", "{port: 0, timeoutMs: 5}]\n"))
            mesh.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(until, lambda: "reloaded" in mesh.log)
            assert "warning: routers.out.servers waits for a restart" in mesh.log
            (router,) = (await asyncio.to_thread(mesh.get, "/config.json")).json()["routers"]
            assert (router["dtab"], "timeoutMs" in router["servers"][0]) == ("/svc=>/#/new", False)
