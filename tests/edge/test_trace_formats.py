"""Traces at the gateway: whose context counts, and what services are told of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from config import load
from edge.process import EdgeProcess
from edge.settings.edge_config import EdgeConfig
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
tracing: {{collector: "{url}", sample_rate: 0.0, write: [{write}]}}
trust: [{{name: staff, cookie: {{name: c, equals: letmein}}, may_override: true, may_sample: true}}]
"""
TRACE, SPAN = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312"
FORMS = {
    "b3": f"b3: {TRACE}-{SPAN}-1",
    "b3-multi": f"X-B3-TraceId: {TRACE}\r\nX-B3-SpanId: {SPAN}\r\nX-B3-Sampled: 1",
    "w3c": f"traceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: rojo=1",
    "decision": "b3: 1",
}
TOLD = re.compile(rb"(?im)^(traceparent|tracestate|b3|x-b3-[a-z]+|l5d-ctx-trace): *([^\r\n]*)")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("write", ["l5d", "w3c, b3, b3-multi"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_only_a_trusted_callers_trace_goes_on_and_services_are_told_of_ours(
    tmp_path: Path, form: str, write: str, *, trusted: bool
) -> None:
    async with running({}) as collector, upstream() as web:
        (tmp_path / "web").write_text(f"127.0.0.1 {web.port}\n")
        text = EDGE.format(names=tmp_path, url=collector.url, write=write)
        process = EdgeProcess(load(EdgeConfig, text, source="edge.yml", env={}))
        await process.start()
        cookie = "Cookie: c=letmein\r\n" if trusted else ""
        async with connected(process.ports["public"]) as client:
            lines = f"GET /x HTTP/1.1\r\nHost: web\r\n{cookie}{FORMS[form]}\r\n\r\n"
            answer, _ = await client.ask(lines.encode())
        await process.aclose(0.1)
        assert answer.startswith(b"HTTP/1.1 200")
        assert collector.ingest.counts["http"].stored == (2 if trusted else 0)
        told = {name.lower(): value.decode() for name, value in TOLD.findall(web.seen)}
        written = {b"l5d-ctx-trace"} if write == "l5d" else {b"traceparent", b"b3"}
        assert written <= told.keys()
        if write == "l5d":
            return
        # Ours is the parent; what the caller wrote of itself has ended here.
        assert SPAN not in told[b"traceparent"] + told[b"b3"]
        continued = trusted and form != "decision"
        assert (TRACE in told[b"traceparent"]) == (TRACE in told[b"b3"]) == continued
        assert told.get(b"tracestate") == ("rojo=1" if continued and form == "w3c" else None)
        assert told[b"x-b3-sampled"] == ("1" if trusted else "0")
