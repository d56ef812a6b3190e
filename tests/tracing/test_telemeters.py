"""Where an operator's configuration sends spans: Linkerd's YAML, the gateway's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import ConfigError, load
from edge.process import EdgeProcess
from edge.settings.edge_config import EdgeConfig
from mesh.config.linkerd_config import MeshConfig
from mesh.process import MeshProcess
from tests.kits.serving import mesh_config
from tests.kits.sockets import connected, upstream
from tests.vectors.zipkin import running

if TYPE_CHECKING:
    from pathlib import Path

EDGE = """
listener: {{ip: 127.0.0.1, port: 0}}
admin: {{port: 0}}
hosts: [web]
dtab: /svc => /#/io.l5d.fs
namers: [{{kind: io.l5d.fs, rootDir: {names}}}]
tracing: {{collector: "{destination}", sample_rate: 1.0}}
"""
GET = b"GET /x HTTP/1.1\r\nHost: web\r\n\r\n"


def mesh(telemeter: str, folder: Path, port: int = 1) -> MeshConfig:
    top = f"telemetry:\n- {telemeter}\n- kind: io.l5d.prometheus"
    text = mesh_config(folder, port, top=top)
    return load(MeshConfig, text, source="linkerd.yml", env={})


async def test_linkerds_zipkin_telemeter_sends_both_spans_to_a_scribe_port(tmp_path: Path) -> None:
    async with running({}) as collector, upstream() as web:
        port = collector.scribe_port
        telemeter = f"{{kind: io.l5d.zipkin, host: 127.0.0.1, port: {port}, sampleRate: 1.0}}"
        process = MeshProcess(mesh(telemeter, tmp_path, web.port))
        await process.start()
        async with connected(process.ports["out"]) as client:
            head, _ = await client.ask(GET)
        await process.aclose(0.1)
        assert head.startswith(b"HTTP/1.1 200")
        assert collector.ingest.counts["scribe"].stored == 2
        assert await collector.ingest._store.services() == ["#/io.l5d.fs/web", "127.0.0.1/0"]


@pytest.mark.parametrize("way", ["http", "scribe"])
async def test_the_gateway_sends_spans_by_the_scheme_of_its_collector(
    tmp_path: Path, way: str
) -> None:
    async with running({}) as collector, upstream() as web:
        urls = {"http": collector.url, "scribe": f"scribe://127.0.0.1:{collector.scribe_port}"}
        (tmp_path / "web").write_text(f"127.0.0.1 {web.port}\n")
        text = EDGE.format(names=tmp_path, destination=urls[way])
        process = EdgeProcess(load(EdgeConfig, text, source="edge.yml", env={}))
        await process.start()
        async with connected(process.ports["public"]) as client:
            head, _ = await client.ask(GET)
        await process.aclose(0.1)
        assert head.startswith(b"HTTP/1.1 200")
        assert collector.ingest.counts[way].stored == 2


def test_linkerds_defaults_stand(tmp_path: Path) -> None:
    [tracer] = mesh("kind: io.l5d.zipkin", tmp_path).tracers
    assert (tracer.destination, tracer.sampleRate) == ("scribe://localhost:9410", 0.001)


@pytest.mark.parametrize(
    ("telemeter", "problem"),
    [
        ("{kind: io.weir.zipkin, url: 'localhost:9411'}", "is no URL such as"),
        ("{kind: io.weir.zipkin, url: 'otel:nothing'}", "no exporter nothing is installed"),
        ("{kind: io.l5d.zipkin, host: 'a b'}", "host"),
        ("{kind: io.l5d.zipkin, port: 0}", "port"),
        ("{kind: io.l5d.zipkin}\n- {kind: io.weir.zipkin}", "spans can go to one tracer"),
    ],
)
def test_a_telemeter_that_cannot_be_is_refused_with_its_place(
    telemeter: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"linkerd\.yml:[34]:") as raised:
        mesh(telemeter, tmp_path)
    assert problem in str(raised.value)
