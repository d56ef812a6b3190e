"""A client that vanishes within its body: nothing of it stays, and its spans say so."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from config import load
from mesh.config.linkerd_config import MeshConfig
from mesh.process import MeshProcess
from tests.kits.sockets import ScriptedUpstream, connected, upstream

if TYPE_CHECKING:
    from pathlib import Path

HALF = b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 10\r\n\r\nhello"
TAKEN = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


async def test_a_client_that_vanishes_within_its_body_leaves_a_mark_on_its_spans(
    tmp_path: Path,
) -> None:
    async with upstream(lambda _: None) as behind, upstream(lambda _: TAKEN) as collector:
        (tmp_path / "web").write_text(f"127.0.0.1 {behind.port}\n")
        text = f"""
admin: {{port: 0}}
namers: [{{kind: io.l5d.fs, rootDir: {tmp_path}}}]
telemetry: [{{kind: io.weir.zipkin, url: "http://127.0.0.1:{collector.port}", sampleRate: 1.0}}]
routers: [{{protocol: http, label: in, dtab: /svc => /#/io.l5d.fs, servers: [{{port: 0}}]}}]
"""
        mesh = MeshProcess(load(MeshConfig, text, source="mesh.yml", env={}))
        await mesh.start()
        try:
            async with connected(mesh.ports["in"]) as client:
                client.writer.write(HALF)
                await behind.until(lambda: behind.seen.endswith(b"hello"))
                assert behind.open
            await behind.until(lambda: not behind.open)
        finally:
            await mesh.aclose(1.0)
        assert errors(collector) == {
            "CLIENT": "the client went away",
            "SERVER": "the client went away",
        }


def errors(collector: ScriptedUpstream) -> dict[str, str]:
    """By kind of span, what it says went wrong."""
    spans = [
        span
        for batch in re.findall(rb"\[\{.*?\}\](?=POST|\Z)", collector.seen, re.DOTALL)
        for span in json.loads(batch)
    ]
    return {span["kind"]: span["tags"]["error"] for span in spans}
