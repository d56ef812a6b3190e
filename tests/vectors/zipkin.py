"""Zipkin vectors: each file is one server with the file's settings and an empty store.

Each runs against our collector on real sockets. A step of level `quirk` may differ from the
recorded answer where DEVIATIONS says so, with the reason; every other step must fit.
"""

import asyncio
import base64
import json
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx

from tracing.pipeline.collector import Collector, bind, open_store
from tracing.pipeline.collector_config import CollectorConfig
from tracing.pipeline.environment import read_settings

Step = dict[str, Any]

_STORED_WITHIN_S: Final = 20.0
_POLL_S: Final = 0.02
_SCRIBE_QUIET_S: Final = 20.0
_QUIRK: Final = "(quirk): "


@dataclass(frozen=True, slots=True)
class Deviation:
    """What we answer instead: a status and, where it counts, the JSON or the text."""

    status: int
    why: str
    json: object = None
    text: str | None = None


_STORED: Final = "a reader that passes over one unknown field keeps what follows it"
_LATER: Final = "every all-zero id is refused, however short"

# By step: the answers that we mean to give otherwise than the real server did.
DEVIATIONS: Final[dict[str, Deviation]] = {
    "unknown-bytes.read": Deviation(
        200,
        _STORED,
        [
            {"traceId": "db1b9104389b7cc6", "id": "0000000000000001", "name": "one"},
            {"traceId": "db1b9104389b7cc6", "id": "0000000000000002", "name": "two"},
        ],
    ),
    "wrong-typed-field-skipped": Deviation(202, _STORED),
    "wrong-typed-field-skipped.read": Deviation(
        200, _STORED, [{"traceId": "64f662d104723a43", "id": "0000000000000001"}]
    ),
    "unknown-field": Deviation(202, _STORED),
    "unknown-field.read": Deviation(
        200,
        _STORED,
        [
            {"traceId": "95a73895c9c6ee0f", "id": "0000000000000001", "name": "one"},
            {"traceId": "95a73895c9c6ee0f", "id": "0000000000000002", "name": "two"},
        ],
    ),
    "trailing-text-ignored": Deviation(400, "text after the list is a broken sender's, refused"),
    "trailing-text-ignored.read": Deviation(404, "nothing was stored"),
    "id-short-zero": Deviation(400, _LATER),
    "id-short-zero.read": Deviation(404, "nothing was stored"),
    "tid-24-zero-high.read": Deviation(
        200,
        "a zero high half goes from ids of any length, so the trace is found",
        [{"traceId": "77ec676ad8200ac1", "id": "0000000000000001", "name": "tid-24-zero-high"}],
    ),
    "gzip-upper-case-not-recognised": Deviation(202, "names of codings ignore case"),
    "gzip-upper-case-not-recognised.read": Deviation(200, "it was stored"),
    "gzip-bad-crc": Deviation(400, "the sender's fault is a 400"),
    "gzip-not-gzip": Deviation(400, "the sender's fault is a 400"),
    "find.only-and": Deviation(200, "empty terms are left out, because Zipkin's page sends them"),
    "head": Deviation(200, "HEAD is GET without the body", text=""),
    "split-span-first-only.read0": Deviation(
        200,
        "both halves of a split span are kept",
        [
            {
                "traceId": "363573fdd861ab18",
                "id": "0000000000000001",
                "kind": "CLIENT",
                "name": "log",
                "timestamp": 1763200000000000,
                "duration": 5,
                "localEndpoint": {"serviceName": "frontend", "ipv4": "192.0.2.1", "port": 8080},
            },
            {
                "traceId": "363573fdd861ab18",
                "id": "0000000000000001",
                "kind": "SERVER",
                "name": "log",
                "timestamp": 1763200000000001,
                "duration": 2,
                "localEndpoint": {"serviceName": "backend", "ipv4": "192.0.2.2", "port": 9000},
                "shared": True,
            },
        ],
    ),
}


def run(folder: Path) -> tuple[int, int]:
    """Run every file of the folder; print each failure. (passed, failed) counts steps.

    A quirk that we answer otherwise is told, and no failure: the real server's accidents need not
    be copied. Our own copies of the vectors are judged by DEVIATIONS (tests/tracing).
    """
    passed = failed = 0
    for path in sorted(folder.glob("*.json")):
        problems, steps = run_file(path)
        failures = [one for one in problems if _QUIRK not in one]
        for problem in problems:
            told = "" if problem in failures else "otherwise on purpose: "
            sys.stdout.write(f"{path.name}: {told}{problem}\n")
        failed += len(failures)
        passed += steps - len(failures)
    return passed, failed


def run_file(path: Path, *, storage: str = "") -> tuple[list[str], int]:
    """(failures, steps) of one file against a fresh collector."""
    vectors = json.loads(path.read_text())
    env = dict(vectors["env"])
    if storage:
        env["STORAGE_TYPE"] = storage
    return asyncio.run(_replay(vectors["steps"], env)), len(vectors["steps"])


@asynccontextmanager
async def running(
    env: dict[str, str], config: CollectorConfig | None = None
) -> AsyncIterator[Collector]:
    """A collector with an empty store and these settings, on free ports."""
    with tempfile.TemporaryDirectory(prefix="weir-vectors-") as folder:
        settings = replace(read_settings(env), config=config or CollectorConfig())
        store = open_store(Path(folder), settings)
        http, scribe = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
        collector = Collector(store, settings, http, scribe)
        await collector.start()
        try:
            yield collector
        finally:
            await collector.aclose()


async def _replay(steps: list[Step], env: dict[str, str]) -> list[str]:
    failures = []
    async with running(env) as collector, httpx.AsyncClient(trust_env=False) as client:
        stored_lately = False
        for step in steps:
            if step["send"]["transport"] == "scribe":
                problem = await _scribe_step(collector.scribe_port or 0, step)
                stored_lately = True
            else:
                patient = stored_lately and step["send"]["method"] == "GET"
                problem = await _http_step(client, collector.url, step, patient=patient)
                stored_lately = step["send"]["method"] == "POST" or stored_lately
            if problem:
                failures.append(f"{step['id']} ({step['level']}): {problem}")
    return failures


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────


async def _http_step(client: httpx.AsyncClient, url: str, step: Step, *, patient: bool) -> str:
    """What is wrong with the answer, or nothing. Storing may take a while: GETs are repeated."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (_STORED_WITHIN_S if patient else 0.0)
    while True:
        problem = _judge(step, await _send(client, url, step["send"]))
        if not problem or loop.time() >= deadline:
            return problem
        await asyncio.sleep(_POLL_S)


async def _send(client: httpx.AsyncClient, url: str, send: Step) -> httpx.Response:
    content: bytes | None = None
    if "body" in send:
        content = send["body"].encode()
    elif "body_b64" in send:
        content = base64.b64decode(send["body_b64"])
    headers = httpx.Headers(send.get("headers", {}))
    headers.setdefault("accept-encoding", "identity")
    return await client.request(
        send["method"], url + send["path"], content=content, headers=headers
    )


def _judge(step: Step, answer: httpx.Response) -> str:
    problem = _fits(step["want"], answer)
    if problem and step["level"] == "quirk" and step["id"] in DEVIATIONS:
        return _fits_deviation(DEVIATIONS[step["id"]], answer)
    return problem


def _fits_deviation(deviation: Deviation, answer: httpx.Response) -> str:
    if answer.status_code != deviation.status:
        return f"deviation: status {answer.status_code}, meant {deviation.status}"
    if deviation.json is not None and _bag(answer.json()) != _bag(deviation.json):
        return f"deviation: {answer.text[:400]}"
    if deviation.text is not None and answer.text != deviation.text:
        return f"deviation: {answer.text[:400]!r}"
    return ""


def _fits(want: Step, answer: httpx.Response) -> str:
    if answer.status_code != want["status"]:
        return f"status {answer.status_code}, want {want['status']}: {answer.text[:300]}"
    if answer.headers.get("content-type") != want["content_type"]:
        return f"content type {answer.headers.get('content-type')}, want {want['content_type']}"
    for name, value in want.get("headers", {}).items():
        if answer.headers.get(name) != value:
            return f"{name}: {answer.headers.get(name)}, want {value}"
    match = want["match"]
    if match in ("status", "ignore"):
        return ""
    if match == "exact" and "json" not in want:
        fits = answer.text == want["body"]
    else:
        fits = _same(match, answer.json(), want["json"])
    return "" if fits else f"{answer.text[:600]} ≠ {json.dumps(want.get('json', want.get('body')))}"


def _same(match: str, got: Any, want: Any) -> bool:
    if match == "keys":
        return _keys(got) == _keys(want)
    if match in ("spans_any_order", "any_order"):
        return _bag(got) == _bag(want)
    if match == "traces_inner_any_order":
        return [_bag(trace) for trace in got] == [_bag(trace) for trace in want]
    if match == "traces_any_order":
        return _bag(map(_bag, got)) == _bag(map(_bag, want))
    return _canonical(got) == _canonical(want)


def _keys(value: Any) -> object:
    if not isinstance(value, dict):
        return None
    return {name: _keys(inner) for name, inner in value.items()}


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _bag(values: Any) -> list[str]:
    items: Iterable[Any] = values
    return sorted(map(_canonical, items))


# ── scribe ───────────────────────────────────────────────────────────────────────────────────


async def _scribe_step(port: int, step: Step) -> str:
    want = [base64.b64decode(frame) for frame in step["want"]["frames_b64"]]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(base64.b64decode(step["send"]["bytes_b64"]))
        got: list[bytes] = []
        closed = False
        try:
            async with asyncio.timeout(_SCRIBE_QUIET_S):
                while len(got) < len(want) or step["want"].get("closed"):
                    size = struct.unpack(">i", await reader.readexactly(4))[0]
                    got.append(await reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            closed = True
        except TimeoutError:
            pass
    finally:
        writer.close()
    if step["want"].get("closed") and not closed:
        return "the connection stays open"
    return "" if got == want else f"frames {[frame.hex() for frame in got]}"
