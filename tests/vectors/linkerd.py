"""Linkerd vectors: answers of Linkerd 1.7.5, asked of a mesh process with the same YAML.

Each setup is a process of its own with backends of its own, on real sockets. A case that
`linkerd_deviates` names differs on purpose; it passes when it differs as said there, and only so.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import math
import re
import socket
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from config import ConfigError, load
from mesh.config.linkerd_config import MeshConfig
from mesh.process import MeshProcess
from tests.vectors.linkerd_deviates import ALWAYS, DEVIATES, Deviation
from tests.vectors.linkerd_match import Matcher, read_trace, with_ports
from tests.vectors.linkerd_wire import ANSWER_WITHIN_S, Backend, Message, read_answer, unzipped

Case = dict[str, Any]
Vectors = dict[str, Any]

RUN: Final = "http.json"
NOBODY: Final = "nobody"
BACKENDS: Final = ("web", "other", "third", "v1", "v2")
# Setups that run at the same time: their waits overlap, their open files stay few.
AT_ONCE: Final = 8
_PORT_NAME: Final = re.compile(r"\{\{port:([^}]+)\}\}")
# Names nobody, under any identifier: asked to see that a connection goes on.
_PROBE: Final = b"GET /nobody/here HTTP/1.1\r\nHost: nobody.invalid\r\n\r\n"


class Problem(NamedTuple):
    """What differs, and how."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class Outcome(NamedTuple):
    """One case's name and problems, or why its setup cannot run."""

    setup: str
    name: str
    problem: str
    supported: bool = True


def run(folder: Path) -> tuple[int, int]:
    """Run the folder's http.json, tell each failure, and count: passed, failed."""
    for other in sorted(folder.glob("*.json")):
        if other.name != RUN:
            sys.stdout.write(f"{other.name}: not run\n")
    if not (folder / RUN).exists():
        return 0, 0
    vectors = json.loads((folder / RUN).read_text())
    passed = failed = 0
    for setup, outcomes in sorted(asyncio.run(run_setups(vectors)).items()):
        for one in outcomes:
            if not one.supported:
                cases = sum(case["setup"] == setup for case in vectors["cases"])
                sys.stdout.write(f"{setup} ({cases} cases) is not supported: {one.problem}\n")
            elif one.problem:
                failed += 1
                sys.stdout.write(f"{setup}: {one.name}: {one.problem}\n")
            else:
                passed += 1
    return passed, failed


async def run_setups(vectors: Vectors) -> dict[str, list[Outcome]]:
    """Every setup's outcomes."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(setup: str) -> list[Outcome]:
        async with turn:
            return await run_setup(vectors, setup)

    setups = list(vectors["setups"])
    return dict(zip(setups, await asyncio.gather(*map(one, setups)), strict=True))


async def run_setup(vectors: Vectors, setup: str) -> list[Outcome]:
    """The outcomes of one setup's cases."""
    world = World(vectors, setup)
    try:
        config = await world.start()
    except ConfigError as error:
        await world.aclose()
        # A list that lost its faulty item is the consequence, not the cause.
        causes = [str(one) for one in error.problems if "at least 1 item" not in one.message]
        causes = [one.splitlines()[0] for one in causes]
        return [Outcome(setup, "", "; ".join(causes), supported=False)]
    process = MeshProcess(config)
    try:
        await process.start()
        outcomes = []
        for case in vectors["cases"]:
            if case["setup"] == setup:
                problems = await _run_case(world, case)
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    # Counters tell nobody that they changed; they can only be asked.
                    while any(router.pending() for router in process.routers):  # noqa: ASYNC110
                        await asyncio.sleep(0.005)
                outcomes.append(Outcome(setup, case["name"], _judge(case, problems)))
        return outcomes
    finally:
        await process.aclose(0.1)
        await world.aclose()


class World:
    """The backends, files and ports of one setup."""

    def __init__(self, vectors: Vectors, setup: str) -> None:
        self._yaml: str = vectors["setups"][setup]["linkerd_yaml"]
        self._files: dict[str, str] = vectors["files"]
        self._setup = setup
        self._folder = tempfile.TemporaryDirectory(prefix="vectors-")
        self._reserved: list[socket.socket] = []
        self.backends = {name: Backend(name) for name in BACKENDS}
        self.ports: dict[str, int] = {}

    async def start(self) -> MeshConfig:
        """Everything but the mesh process. Raises: ConfigError."""
        for name, backend in self.backends.items():
            await backend.start()
            self.ports[name] = backend.port
        texts = [self._yaml, *self._files.values()]
        for name in {found for text in texts for found in _PORT_NAME.findall(text)}:
            if name not in self.ports:
                self.ports[name] = self._reserve()
        folder = Path(self._folder.name)
        for name, text in self._files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(with_ports(text, self.ports))
        yaml = with_ports(self._yaml, self.ports).replace("{{dir:files}}", str(folder))
        return load(MeshConfig, yaml, source=self._setup)

    def _reserve(self) -> int:
        """A port that nobody listens on; a listener that reuses addresses may still bind it."""
        sock = socket.socket()
        self._reserved.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port

    @property
    def entry(self) -> int:
        """The port that cases are sent to."""
        return self.ports.get("listen") or self.ports["listen:out"]

    def begin(self, case: Case) -> None:
        """Give the backends the case's script."""
        scripts = case["backend"] if isinstance(case["backend"], dict) else {}
        for name, backend in self.backends.items():
            backend.begin(scripts.get(name) or [{}])

    def seen(self) -> dict[str, list[Message]]:
        """What each backend has seen of this case."""
        return {name: one.seen for name, one in self.backends.items() if one.seen}

    async def aclose(self) -> None:
        """Stop everything."""
        for backend in self.backends.values():
            await backend.aclose()
        for sock in self._reserved:
            sock.close()
        self._folder.cleanup()


@dataclass(slots=True)
class Caller:
    """The client's connection in one case."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def port(self) -> int:
        """Its own port."""
        port: int = self.writer.get_extra_info("sockname")[1]
        return port

    async def goes_on(self) -> bool:
        """Whether the server takes another request."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(_PROBE)
            return await read_answer(self.reader, "GET") is not None
        return False


@contextlib.asynccontextmanager
async def _calling(port: int) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4_194_304)
    try:
        yield Caller(reader, writer)
    finally:
        sock = writer.get_extra_info("socket")
        # A reset: who only closes may still wait for an answer, and his request goes on.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


def _raw(text: str, world: World) -> bytes:
    raw = base64.b64decode(text).decode("latin-1")
    return with_ports(raw, world.ports).encode("latin-1")


async def _run_case(world: World, case: Case) -> list[Problem]:
    world.begin(case)
    request, expect = case["request"], case["expect"]
    async with contextlib.AsyncExitStack() as stack:
        for count, first in enumerate(request.get("open_first", ()), 1):
            earlier = await stack.enter_async_context(_calling(world.entry))
            earlier.writer.write(_raw(first, world))
            await world.backends["web"].saw(count)
        caller = await stack.enter_async_context(_calling(world.entry))
        waiting = {name: len(seen) for name, seen in world.seen().items()}
        raw = _raw(request["raw_b64"], world)
        if "repeat" in request:
            return await _run_repeat(world, expect, caller, raw, request["repeat"])
        try:
            return await _run_once(world, expect, caller, raw, waiting)
        except TimeoutError:
            return [Problem("status", "no answer in time")]


async def _run_repeat(
    world: World, expect: Case, caller: Caller, raw: bytes, times: int
) -> list[Problem]:
    statuses: Counter[str] = Counter()
    for _ in range(times):
        caller.writer.write(raw)
        answer = await read_answer(caller.reader, "GET")
        statuses[answer.words[1] if answer is not None else "none"] += 1
    problems = []
    if statuses != expect["statuses"]:
        problems.append(Problem("statuses", f"{dict(statuses)}, not {expect['statuses']}"))
    seen = {name: len(messages) for name, messages in world.seen().items()}
    total = sum(seen.values())
    for name in expect["share"].keys() | seen.keys():
        # The recorded shares are drawn as ours are; what was configured is a multiple of 0.05.
        share, want = seen.get(name, 0) / total, round(expect["share"].get(name, 0.0) * 20) / 20
        tolerance = expect.get("tolerance", 0.0)
        deviation = math.sqrt(want * (1.0 - want) / total)
        if abs(share - want) > (max(tolerance, 4.5 * deviation) if tolerance else 1e-3):
            problems.append(Problem("share", f"{name} {share:.3f}, not {want}"))
    return problems


async def _run_once(
    world: World, expect: Case, caller: Caller, raw: bytes, waiting: dict[str, int]
) -> list[Problem]:
    method = raw.split(b" ")[0].decode("latin-1")
    caller.writer.write(raw)
    interim = []
    answer = await read_answer(caller.reader, method)
    while answer is not None and answer.words[1] == "100":
        interim.append(100)
        answer = await read_answer(caller.reader, method)
    further = [
        await read_answer(caller.reader, method) for _ in expect.get("further_responses", ())
    ]
    seen = {name: found[waiting.get(name, 0) :] for name, found in world.seen().items()}
    seen = {name: found for name, found in seen.items() if found}
    ports = {**world.ports, "client": caller.port}
    matcher = Matcher(ports)
    problems = list(_compare_backends(matcher, expect, seen))
    if answer is None:
        if "outcome" not in expect:
            problems.append(Problem("status", "closed without an answer"))
        return problems
    if "outcome" in expect:
        return [*problems, Problem("outcome", f"{answer.words[1]}, not {expect['outcome']}")]
    problems += _compare_answer(matcher, expect, answer)
    for want, got in zip(expect.get("further_responses", ()), further, strict=True):
        problems += (
            [Problem("further", "no answer")]
            if got is None
            else _compare_answer(matcher, want, got)
        )
    if interim != expect.get("interim", []):
        problems.append(Problem("interim", str(interim)))
    world.begin({"backend": "default"})
    if (await caller.goes_on()) != (expect["connection_after"] == "open"):
        problems.append(Problem("connection", f"is not {expect['connection_after']} afterwards"))
    return problems


def _compare_answer(matcher: Matcher, expect: Case, answer: Message) -> Iterator[Problem]:
    version, status, reason = answer.words
    if status != str(expect["status"]):
        text = answer.body[:120].decode("latin-1")
        cut = " cut" if answer.incomplete else ""
        yield Problem("status", f"{status}{cut}, not {expect['status']} ({text})")
        return
    if reason != expect["reason"]:
        yield Problem("reason", f"{reason}, not {expect['reason']}")
    if version != expect["version"]:
        yield Problem("version", version)
    if answer.framing != expect["framing"]:
        yield Problem("framing", f"{answer.framing}, not {expect['framing']}")
    if answer.trailers != expect.get("trailers", []):
        yield Problem("trailers", str(answer.trailers))
    yield from _compare_body(matcher, expect, answer)
    length = len(answer.body)
    yield from _compare_headers(
        "header", matcher, expect["headers_present"], answer.headers, body_length=length
    )
    for name in expect["headers_absent"]:
        if name in answer.headers:
            yield Problem(f"header {name}", f"{answer.headers[name]}, none wanted")


def _compare_body(matcher: Matcher, expect: Case, answer: Message) -> Iterator[Problem]:
    if answer.incomplete:
        if "body_incomplete" not in expect:
            yield Problem("body", "incomplete")
        return
    want = expect.get("body")
    if "body_gunzipped" in expect:
        if answer.headers.get("content-encoding") != ["gzip"]:
            yield Problem("body", "not compressed")
        elif unzipped(answer.body) != expect["body_gunzipped"]:
            yield Problem("body", "differs when unzipped")
    elif isinstance(want, str):
        got = answer.body.decode("utf-8", "replace")
        if not matcher.fits(want, got, body_length=len(answer.body)):
            yield Problem("body", f"{got[:300]!r}, not {want[:300]!r}")
    elif isinstance(want, dict) and _digest(answer.body) != (want["length"], want["sha256"]):
        yield Problem("body", f"{len(answer.body)} bytes, not as recorded")


def _digest(body: bytes) -> tuple[int, str]:
    return len(body), hashlib.sha256(body).hexdigest()


def _compare_headers(
    where: str,
    matcher: Matcher,
    want: dict[str, str | list[str]],
    got: dict[str, list[str]],
    *,
    body_length: int | None = None,
) -> Iterator[Problem]:
    for name, value in want.items():
        values = value if isinstance(value, list) else [value]
        have = got.get(name)
        if have is None:
            yield Problem(f"{where} {name}", f"absent, not {value}")
        elif len(have) != len(values) or not all(
            matcher.fits(one, text, body_length=body_length)
            for one, text in zip(values, have, strict=True)
        ):
            yield Problem(f"{where} {name}", f"{have}, not {value}")


def _compare_backends(
    matcher: Matcher, expect: Case, seen: dict[str, list[Message]]
) -> Iterator[Problem]:
    if "backend_saw" not in expect:
        return
    want = expect["backend_saw"]
    if want is None:
        if seen:
            yield Problem("backend", f"{next(iter(seen))} saw a request")
        return
    counts = {name: len(found) for name, found in seen.items()}
    if "backend_requests" in expect and counts != expect["backend_requests"]:
        yield Problem("requests", f"{counts}, not {expect['backend_requests']}")
    if want["backend"] not in seen:
        yield Problem("backend", f"{list(seen) or NOBODY}, not {want['backend']}")
        return
    yield from _compare_request(matcher, want, seen[want["backend"]].pop(0))
    for later in expect.get("backend_saw_later", ()):
        if not seen.get(later["backend"]):
            yield Problem("later", f"{later['backend']} saw no further request")
            continue
        yield from _compare_request(matcher, later, seen[later["backend"]].pop(0))


def _compare_request(matcher: Matcher, want: Case, got: Message) -> Iterator[Problem]:
    method, target, version = got.words
    if method != want["method"]:
        yield Problem("upstream method", method)
    if target != want["target"]:
        yield Problem("upstream target", f"{target}, not {want['target']}")
    if "trace" in want:
        yield from _compare_trace(matcher, want["trace"], got)
    yield from _compare_headers("upstream", matcher, want["headers"], got.headers)
    if "version" not in want:
        return  # a later request is told in short
    if version != want["version"]:
        yield Problem("upstream version", version)
    for name in got.headers.keys() - want["headers"].keys():
        yield Problem(f"upstream {name}", f"{got.headers[name]}, none wanted")
    if _digest(got.body) != (want["body_length"], want["body_sha256"]):
        yield Problem("upstream body", f"{len(got.body)} bytes, not as sent")
    if got.framing != want["framing"]:
        yield Problem("upstream framing", got.framing)


def _compare_trace(matcher: Matcher, want: Case, got: Message) -> Iterator[Problem]:
    try:
        fields = read_trace(got.headers["l5d-ctx-trace"][0])
    except (KeyError, ValueError) as error:
        yield Problem("upstream trace", str(error))
        return
    for name, value in want.items():
        if not matcher.fits(str(value), str(fields.get(name))):
            yield Problem("upstream trace", f"{name} {fields.get(name)}, not {value}")


def _judge(case: Case, problems: list[Problem]) -> str:
    """What is wrong with a case in the end, or nothing."""
    problems = [one for one in problems if one.where not in ALWAYS]
    deviation = DEVIATES.get(case["name"])
    if deviation is None:
        return "; ".join(map(str, problems))
    if deviation.refused and case["expect"].get("backend_saw") is not None:
        # The recorded request reached a backend, so what misses it tells that ours did not.
        missed = [one for one in problems if one.where == "backend" and NOBODY in one.text]
        if not missed:
            return "meant to be refused, but a backend saw it"
        problems = [one for one in problems if one not in missed]
    return _unexpected(deviation, problems)


def _unexpected(deviation: Deviation, problems: list[Problem]) -> str:
    """What differs otherwise than it should."""
    differs = deviation.differs | (
        frozenset({"connection", "requests"}) if deviation.refused else set()
    )
    left = [one for one in problems if one.where not in differs]
    if deviation.status:
        status = next((one for one in left if one.where in ("status", "outcome")), None)
        if status is None or f"{deviation.status}," not in status.text:
            return f"meant to be {deviation.status}: {'; '.join(map(str, problems))}"
        left.remove(status)
    elif not problems:
        return "differs no more: take it off the table"
    return "; ".join(map(str, left))
