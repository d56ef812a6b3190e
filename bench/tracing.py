"""What does tracing cost the request's path? Each step alone, then a sampled request whole.

A whole request: its context read, decided and written on, both spans recorded as one exchange, and
their share of encoding and of the POSTs to a collector process.
"""

import argparse
import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from bench.collector import free_port, wait_ready
from tracing.context import TraceContext, new_root
from tracing.encode.exchange_json import encode_records
from tracing.encode.zipkin_json import encode_spans
from tracing.exchange import ExchangeRecord, SpanRoute
from tracing.l5d import read_context, write_context
from tracing.recorder import Recorder, ZipkinHttpExporter
from tracing.sampler import decide
from tracing.span import Endpoint, SpanRecord

EDGE: Final = Endpoint("edge", "10.0.0.1", 80)
HELLO: Final = Endpoint("hello", "10.0.0.2", 7777)
# What a router's spans say of their way (docs/tracing.md).
ROUTE: Final = {
    "router.label": "outgoing",
    "service": "/svc/hello",
    "client": "/#/io.l5d.fs/hello",
    "dtab.version": "59fcad41",
    "dtab.trail": "/svc=>/host;/host=>/srv;/srv=>/#/io.l5d.fs",
}
SPAN_ROUTE: Final = SpanRoute("http /svc/hello", EDGE, EDGE, ROUTE, {"l5d.success": "1.0"})
GOAL_US: Final = 5.0
# 25,000 requests a second: several times what one worker passes on.
BURST: Final = 500
PAUSE_S: Final = 0.02
ROUNDS: Final = 5


def _record(kind: str, trace: bytes, own: bytes, parent: bytes | None) -> SpanRecord:
    return SpanRecord(
        trace,
        own,
        parent,
        kind,
        "get",
        1_763_000_000_000_000,
        1_234,
        EDGE,
        HELLO,
        {"http.method": "GET", "http.path": "/things/42", "http.status_code": "200"},
        ROUTE,
    )


def _exchange(server: TraceContext, client_id: bytes) -> ExchangeRecord:
    return ExchangeRecord(
        SPAN_ROUTE,
        server,
        client_id,
        b"GET",
        b"/things/42",
        200,
        1_763_000_000_000_000,
        1_234,
        "10.0.0.9",
        41_234,
        HELLO,
        0,
        1_024,
    )


def per_call_us(call: Callable[[], object], count: int) -> float:
    """Median of five runs, in microseconds of CPU."""
    runs = []
    for _ in range(5):
        began = time.process_time_ns()
        for _ in range(count):
            call()
        runs.append((time.process_time_ns() - began) / count / 1000)
    return median(runs)


def _steps(count: int) -> None:
    ctx = new_root(b"rootroot").child(b"childchi").with_sampled(sampled=True)
    header = write_context(ctx)
    spans = [_record("CLIENT", b"%08d" % n, b"%08d" % n, None) for n in range(100)]
    pairs = [_exchange(ctx, b"%08d" % n) for n in range(64)]
    steps: list[tuple[str, Callable[[], object], int]] = [
        ("read l5d-ctx-trace", lambda: read_context(header), 1),
        ("decide, already decided", lambda: decide(ctx, None, 0.001, 7), 1),
        ("decide, new", lambda: decide(new_root(b"rootroot"), None, 0.001, 7), 1),
        ("write l5d-ctx-trace", lambda: write_context(ctx), 1),
        ("make a span record", lambda: _record("CLIENT", b"12345678", b"12345678", None), 1),
        ("make an exchange record", lambda: _exchange(ctx, b"12345678"), 1),
        ("encode a span (of 100)", lambda: encode_spans(spans), 100),
        ("encode an exchange (of 64)", lambda: encode_records(pairs), 64),
    ]
    for name, call, divide in steps:
        print(f"{name:<28} {per_call_us(call, count // divide) / divide:7.3f} us")


async def _requests(url: str, count: int, *, sampled: bool) -> float:
    """CPU of this process a request, everything but the request itself.

    Sampled or not, it pauses as often: to be woken costs 100 us on a busy machine, and a sender
    that outruns its collector would be woken, and encode what has left its caches, more than ours.
    """
    recorder = Recorder(ZipkinHttpExporter(url), queue_max=20_000)
    await recorder.start()
    rate = 1.0 if sampled else 0.0
    header = write_context(new_root(b"rootroot"))
    ids = secrets.token_bytes(16 * 1000)
    began = time.process_time_ns()
    for number in range(count):
        at = number % 1000 * 16
        ctx = read_context(header)
        if ctx is None:
            raise RuntimeError("the header is good")
        server, recorded = decide(ctx.child(ids[at : at + 8]), None, rate, 7)
        client = server.child(ids[at + 8 : at + 16])
        write_context(client)
        if recorded:
            recorder.record(_exchange(server, client.span_id))
        if number % 50 == 0:
            await asyncio.sleep(0)
        if number % BURST == BURST - 1:
            await asyncio.sleep(PAUSE_S)
            while recorder.queued > 10 * BURST:  # noqa: ASYNC110 - on a very busy machine
                await asyncio.sleep(PAUSE_S)
    await recorder.aclose()
    used = (time.process_time_ns() - began) / count / 1000
    if recorder.exported != recorder.recorded:
        raise RuntimeError(f"lost spans: {recorder.dropped()}")
    return used


def main(argv: list[str]) -> int:
    """Print the costs; 1 when a sampled request costs more than the goal over an unsampled one."""
    parser = argparse.ArgumentParser("tracing", description=__doc__)
    parser.add_argument("--brief", action="store_true", help="fewer rounds")
    options = parser.parse_args(argv)
    count = 20_000 if options.brief else 100_000
    _steps(count)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "weir", "collector", "--state-dir", str(Path(folder))],
            env=os.environ | {"QUERY_PORT": str(port)},
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_ready(process, port)
            url = f"http://127.0.0.1:{port}"
            uvloop.run(_requests(url, count // 10, sampled=True))
            # In turns, so that a busy moment of the machine meets both.
            runs = [
                [uvloop.run(_requests(url, count // ROUNDS, sampled=one)) for one in (False, True)]
                for _ in range(ROUNDS)
            ]
        finally:
            process.terminate()
            process.wait(20)
    plain, whole = (median(one[at] for one in runs) for at in (0, 1))
    costs = sorted(with_spans - without for without, with_spans in runs)
    print(f"{'a request, not sampled':<28} {plain:7.3f} us")
    print(f"{'a request, two spans, export':<28} {whole:7.3f} us")
    print(
        f"{'the spans cost':<28} {median(costs):7.3f} us, {costs[0]:.2f} to {costs[-1]:.2f} "
        f"in {ROUNDS} rounds (goal: at most {GOAL_US:g})"
    )
    return 0 if median(costs) <= GOAL_US else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
