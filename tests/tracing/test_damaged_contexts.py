"""Every format of a trace context, damaged in every way, asked of a real router.

None may fail a request, cost the connection, or reach the upstream as it came.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest

from config import load
from mesh.config.linkerd_config import MeshConfig
from mesh.process import MeshProcess
from tests.kits.sockets import connected, upstream
from tests.vectors.zipkin import running
from tracing.context import TraceContext
from tracing.l5d import read_context, write_context
from tracing.w3c import read_traceparent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESH = """
admin: {{port: 0}}
telemetry: [{{kind: io.weir.zipkin, url: "{url}", sampleRate: 1.0}}]
namers: [{{kind: io.l5d.fs, rootDir: {names}}}]
routers:
- protocol: http
  label: out
  dtab: /svc => /#/io.l5d.fs
  tracePropagator:
    kind: io.weir.formats
    read: [{read}]
    write: [l5d, b3, b3-multi, w3c]
  servers: [{{port: 0}}]
"""
TRACE, SPAN, PARENT = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312", "0020000000000001"
CALLER = TraceContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), bytes.fromhex(PARENT), 6)
GOOD = {
    "l5d": [("l5d-ctx-trace", write_context(CALLER).decode())],
    "b3": [("b3", f"{TRACE}-{SPAN}-1-{PARENT}")],
    "b3-multi": [
        ("X-B3-TraceId", TRACE),
        ("X-B3-SpanId", SPAN),
        ("X-B3-ParentSpanId", PARENT),
        ("X-B3-Sampled", "1"),
    ],
    "w3c": [("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "rojo=1")],
}


def damaged(value: str) -> Iterator[tuple[str, str]]:
    """The value, broken in each of the ways that senders, proxies and attackers know."""
    yield "empty", ""
    yield "cut in the middle", value[: len(value) // 2]
    yield "cut by one", value[:-1]
    yield "with one more", value + "0"
    yield "twice", value + value
    yield "twice as a list", f"{value}, {value}"
    yield "in capitals", value.upper() if value.upper() != value else value.lower()
    yield "with a foreign letter", "g" + value[1:]
    yield "with a blank inside", value[:5] + " " + value[5:]
    yield "with a tab inside", value[:5] + "\t" + value[5:]
    yield "all zeros", re.sub("[0-9a-f]", "0", value)
    yield "all ones", re.sub("[0-9a-f]", "f", value)
    yield "raw bytes", "\xff\x80\xc3\xa9"
    yield "quoted", f'"{value}"'
    yield "a number below zero", "-1"
    yield "a very long one", value * 40
    yield "markup", "<script>alert(1)</script>"
    yield "the base64 of nothing much", base64.b64encode(b"x" * 31).decode()


CASES = [
    (form, at, how, text)
    for form, lines in GOOD.items()
    for at, (_, value) in enumerate(lines)
    for how, text in damaged(value)
]


def head_of(lines: list[tuple[str, str]]) -> bytes:
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"GET /x HTTP/1.1\r\nHost: web\r\n{text}\r\n".encode("latin-1")


def said(head: bytes, name: str) -> bytes:
    [value] = re.findall(rb"(?im)^" + name.encode() + rb": *([^\r\n]*)", head)
    assert isinstance(value, bytes)
    return value


def one_context(head: bytes) -> TraceContext:
    """What the upstream is told: in every form, and the same in each."""
    told = read_context(said(head, "l5d-ctx-trace"))
    assert told is not None
    assert told.trace_id.hex() == said(head, "x-b3-traceid").decode()
    assert said(head, "b3").decode().startswith(f"{told.trace_id.hex()}-{told.span_id.hex()}-")
    parent = read_traceparent(said(head, "traceparent"))
    assert parent is not None
    assert (parent.trace_id, parent.span_id) == (told.trace_id, told.span_id)
    return told


def config(names: Path, url: str, read: str, port: int) -> MeshConfig:
    (names / "web").write_text(f"127.0.0.1 {port}\n")
    return load(
        MeshConfig, MESH.format(names=names, url=url, read=read), source="linkerd.yml", env={}
    )


async def test_no_damaged_context_fails_a_request(tmp_path: Path) -> None:
    async with running({}) as collector, upstream() as web:
        process = MeshProcess(config(tmp_path, collector.url, "l5d, b3, b3-multi, w3c", web.port))
        await process.start()
        recorded = 0
        async with connected(process.ports["out"]) as client:
            for form, at, how, text in CASES:
                lines = list(GOOD[form])
                lines[at] = (lines[at][0], text)
                begun = len(web.seen)
                answer, _ = await client.ask(head_of(lines))
                where = f"{form}, {lines[at][0]} {how}"
                assert answer.startswith(b"HTTP/1.1 200"), where
                # Damage may leave, or make, a denial.
                recorded += bool(one_context(web.seen[begun:]).sampled)
        await process.aclose(0.1)
        assert collector.ingest.counts["http"].stored == 2 * recorded > len(CASES)


@pytest.mark.parametrize(
    ("read", "formats", "wins"),
    [
        ("l5d, b3, b3-multi, w3c", ["w3c", "b3-multi", "b3", "l5d"], "l5d"),
        ("l5d, b3, b3-multi, w3c", ["w3c", "b3-multi", "b3"], "b3"),
        ("l5d, b3, b3-multi, w3c", ["w3c", "b3-multi"], "b3-multi"),
        ("l5d, b3, b3-multi, w3c", ["w3c"], "w3c"),
        ("w3c, l5d", ["l5d", "w3c"], "w3c"),
        ("w3c, l5d", ["l5d", "b3"], "l5d"),
        ("b3", ["l5d", "w3c"], ""),
    ],
)
async def test_the_first_format_that_names_a_span_counts(
    tmp_path: Path, read: str, formats: list[str], wins: str
) -> None:
    async with running({}) as collector, upstream() as web:
        process = MeshProcess(config(tmp_path, collector.url, read, web.port))
        await process.start()
        order = ("l5d", "b3", "b3-multi", "w3c")
        lines = []
        for form in formats:  # the same lines with another trace id each
            mine = f"{order.index(form) + 1:016x}{TRACE[16:]}"
            own = TraceContext(bytes.fromhex(mine), CALLER.span_id, None, 6)
            for name, value in GOOD[form]:
                new = write_context(own).decode() if form == "l5d" else value.replace(TRACE, mine)
                lines.append((name, new))
        async with connected(process.ports["out"]) as client:
            await client.ask(head_of(lines))
        await process.aclose(0.1)
        told = one_context(web.seen)
        if wins:
            assert int.from_bytes(told.trace_id[:8]) == order.index(wins) + 1
        else:
            assert told.trace_id[-8:].hex() != TRACE[16:]
        state = re.findall(rb"tracestate: *([^\r\n]*)", web.seen)
        assert state == ([b"rojo=1"] if wins == "w3c" else [])


@pytest.mark.parametrize(("value", "sampled"), [("0", b"0"), ("1", b"1"), ("d", b"1")])
async def test_a_decision_without_a_span_counts_for_the_trace_that_begins(
    tmp_path: Path, value: str, sampled: bytes
) -> None:
    async with running({}) as collector, upstream() as web:
        process = MeshProcess(config(tmp_path, collector.url, "w3c, b3", web.port))
        await process.start()
        async with connected(process.ports["out"]) as client:
            await client.ask(head_of([("b3", value)]))
        await process.aclose(0.1)
        assert said(web.seen, "x-b3-sampled") == sampled
        assert collector.ingest.counts["http"].stored == (0 if value == "0" else 2)
