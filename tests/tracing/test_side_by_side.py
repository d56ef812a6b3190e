"""A real Zipkin server and ours, sent the same bytes and asked the same questions.

Whatever differs is named here with its reason.
"""

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final, NamedTuple

import grpc
import httpx
import pytest

from tests.kits import zipkin_questions as ask
from tests.kits.running import free_port
from tests.kits.zipkin_bodies import proto3_list, scribe_log, thrift_span
from tests.kits.zipkin_questions import Sent
from tests.kits.zipkin_server import NEEDS_ZIPKIN, bag, wait_for, zipkin_server
from tests.vectors.zipkin import running
from tracing.pipeline.grpc.services import ZIPKIN_PATH

pytestmark = [pytest.mark.peer, pytest.mark.slow, NEEDS_ZIPKIN]

_STRICT: Final = "a sender's broken text is refused, not guessed at"
_ROUNDED: Final = "a number over 64 bits is refused; the real server rounds 2^63 to 2^63 - 1"
_ZERO: Final = "an id of zeros is refused, however short"
_FIELD: Final = "a list of spans is field 1 of a message, and no other one"
_EMPTY_TERM: Final = "an empty term is left out, because Zipkin's page sends them"
_OVERFLOW: Final = "a window that begins before 1970 is not one in the future"
_PATH: Final = "paths are taken as they are written"
_BRAND: Final = "one answer to what is no request at all"

# By the name of what was sent, or the path that was asked.
DIFFERS: Final[Mapping[str, str]] = {
    "id 0": _ZERO,
    **{f"{member} {1 << 63}": _ROUNDED for member in ("timestamp", "duration")},
    "/api/v2/traces?endTs=1700000900000&lookback=9223372036854775807": _OVERFLOW,
    "/api/v2/dependencies?endTs=9223372036854775807": _OVERFLOW,
    "/api/v2/services;x=1": _PATH,
    "/api/v2//services": _PATH,
    "/api/v2/trace/d001%2F": _PATH,
    "/api/v2/trace/%00": _BRAND,
    "/actuator": "the index of Spring's pages is not here",
}


def differs(name: str) -> str | None:
    """Why a case may differ, or None."""
    if name in DIFFERS:
        return DIFFERS[name]
    if name.endswith(("b'[]x'", """"id":"1"}]]'""")):
        return _STRICT
    if "x-protobuf b'\\x0" in name:
        return _FIELD
    if name.endswith(" b'\\n'"):
        return "a single newline is the sender's fault, not the server's"
    if "annotationQuery=%20and%20" in name or name.endswith("%20and%20"):
        return _EMPTY_TERM
    return None


def excused(theirs: httpx.Response, ours: httpx.Response) -> bool:
    """Two refusals of what was sent: the words are the real server's JSON library's."""
    return theirs.status_code == ours.status_code == 400 and theirs.request.method == "POST"


class Both(NamedTuple):
    """Where the two are."""

    theirs: str
    ours: str
    their_scribe: int
    our_scribe: int


@pytest.fixture(scope="module")
def zipkin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    port = free_port()
    env = {"COLLECTOR_SCRIBE_ENABLED": "true", "COLLECTOR_PORT": str(port)}
    env["AUTOCOMPLETE_KEYS"] = ask.KEYS
    with zipkin_server(tmp_path_factory.mktemp("zipkin"), env) as (url, _):
        yield url, port


@pytest.fixture
async def both(zipkin: tuple[str, int]) -> AsyncIterator[Both]:
    async with running({"AUTOCOMPLETE_KEYS": ask.KEYS}) as ours:
        yield Both(zipkin[0], ours.url, zipkin[1], ours.scribe_port or 0)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as one:
        yield one


async def answers(
    both: Both, client: httpx.AsyncClient, method: str, path: str, **how: object
) -> tuple[httpx.Response, httpx.Response]:
    pair = [
        await client.request(method, url + path, **how)  # type: ignore[arg-type] # its own options
        for url in (both.theirs, both.ours)
    ]
    return pair[0], pair[1]


def meaning(answer: httpx.Response) -> object:
    """Status, type, caching and content, order left out where it means nothing."""
    head = [answer.headers.get(name) for name in ("content-type", "cache-control", "location")]
    content: object = answer.text
    if answer.status_code == 200 and answer.headers["content-type"] == "application/json":
        content = answer.json()
        in_order = isinstance(content, list) and "/traces?" in str(answer.url)
        content = [bag(one) for one in answer.json()] if in_order else bag(content)
    if "config.json" in str(answer.url):
        content = answer.json() if answer.status_code == 200 else content
    return answer.status_code, head, content


async def send(both: Both, client: httpx.AsyncClient, sent: list[Sent]) -> list[str]:
    """What differs in the answers, and then in what is kept."""
    wrong = []
    for one in sent:
        headers = {"content-type": one.content_type}
        theirs, ours = await answers(
            both, client, "POST", one.path, content=one.body, headers=headers
        )
        if not excused(theirs, ours) and meaning(theirs) != meaning(ours) and not differs(one.name):
            wrong.append(f"{one.name}: {theirs.status_code} {theirs.text!r}, ours {ours.text!r}")
    await kept(both, client, sent[-1].trace)
    for one in sent:
        theirs, ours = await answers(both, client, "GET", f"/api/v2/trace/{one.trace}")
        if meaning(theirs) != meaning(ours) and not differs(one.name):
            wrong.append(f"{one.name}: {theirs.text[:400]}, ours {ours.text[:400]}")
    return wrong


async def kept(both: Both, client: httpx.AsyncClient, trace: str) -> None:
    """The real server stores behind its answer, in order: wait for the last."""

    async def stored() -> bool:
        theirs, _ours = await answers(both, client, "GET", f"/api/v2/trace/{trace}")
        return theirs.status_code == 200

    assert await wait_for(stored)


LAST: Final = Sent("last", "/api/v2/spans", ask.JSON, b'[{"traceId":"1a57","id":"1"}]', "1a57")


@pytest.mark.parametrize(
    "sent",
    [
        list(ask.odd_members()),
        [one for one in ask.odd_bytes() if one.trace != "fff"],
        [one for one in ask.odd_bytes() if one.trace == "fff"],
        list(ask.v1_spans(random.Random(8), 200)),
    ],
    ids=["odd members", "odd spans", "odd bytes", "v1"],
)
async def test_the_same_bytes_mean_the_same(
    both: Both, client: httpx.AsyncClient, sent: list[Sent]
) -> None:
    last = LAST._replace(body=LAST.body.replace(b"1a57", f"{len(sent):x}1a".encode()))
    wrong = await send(both, client, [*sent, last._replace(trace=f"{len(sent):x}1a")])
    assert wrong == []


async def test_scribe_keeps_what_the_real_server_keeps_and_the_halves_it_loses(
    both: Both, client: httpx.AsyncClient
) -> None:
    dice = random.Random(9)
    traces = [f"{0xC0_0000 + number:x}" for number in range(100)]
    for trace in traces:
        span = thrift_span({**ask.v1_span(dice), "traceId": trace})
        replies = [
            await call(port, scribe_log([span])) for port in (both.their_scribe, both.our_scribe)
        ]
        assert replies[0] == replies[1]
    await kept(both, client, traces[-1])
    for trace in traces:
        theirs, ours = await answers(both, client, "GET", f"/api/v2/trace/{trace}")
        first = ours.json()[0] if ours.status_code == 200 else None
        assert theirs.status_code == ours.status_code
        assert first is None or [first] == theirs.json(), trace


async def report(url: str, path: str, message: bytes, *, packed: bool) -> object:
    """What comes of one gRPC call: the reply, or the status and its text."""
    compression = grpc.Compression.Gzip if packed else None
    async with grpc.aio.insecure_channel(url.removeprefix("http://")) as channel:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        try:
            reply: bytes = await method(message, timeout=20, compression=compression)
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details()
    return reply


async def test_grpc_calls_end_the_same_way(both: Both) -> None:
    good = proto3_list([{"traceId": "61", "id": "1"}])
    for path, message in (
        *((ZIPKIN_PATH, one) for one in (good, b"", b"\xff\xff", b"\n\0", good[:-1], b"\n\2x")),
        (ZIPKIN_PATH, b"\n\x0a\n\x08" + bytes(7) + b"\1"),
        ("/zipkin.proto3.SpanService/Other", good),
        ("/another.Service/Report", good),
    ):
        for packed in (False, True):
            theirs, ours = [
                await report(url, path, message, packed=packed) for url in (both.theirs, both.ours)
            ]
            assert theirs == ours, (path, message)


async def call(port: int, payload: bytes) -> bytes:
    """The reply to one framed call."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(struct.pack(">i", len(payload)) + payload)
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    reply = await reader.readexactly(size)
    writer.close()
    return reply


async def test_the_same_questions_get_the_same_answers(
    zipkin: tuple[str, int], client: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    del zipkin  # its store is full of odd spans: this one needs an empty one
    env = {"AUTOCOMPLETE_KEYS": ask.KEYS}
    folder = tmp_path_factory.mktemp("zipkin")
    with zipkin_server(folder, env) as (url, _):
        async with running(env) as ours:
            both = Both(url, ours.url, 0, 0)
            sent = list(ask.v2_spans(random.Random(5), 60))
            assert await send(both, client, sent) == []
            wrong = []
            for path in ask.questions():
                pair = await answers(both, client, "GET", path)
                if meaning(pair[0]) != meaning(pair[1]) and not differs(path):
                    wrong.append(f"{path}: {pair[0].text[:300]}, ours {pair[1].text[:300]}")
            assert wrong == []
            for method, path in ask.METHODS:
                pair = await answers(both, client, method, path)
                if method != "HEAD" and path != "/":
                    assert meaning(pair[0]) == meaning(pair[1]), (method, path)


async def test_tangled_traces_have_the_same_links_and_are_found_in_the_same_windows(
    zipkin: tuple[str, int], both: Both, client: httpx.AsyncClient
) -> None:
    del zipkin  # what else is in its store lies elsewhere in time
    dice = random.Random(1)
    count = 150
    traces = [ask.tangled(dice, number) for number in range(count)]
    for spans in traces:
        theirs, ours = await answers(both, client, "POST", "/api/v2/spans", json=spans)
        assert theirs.status_code == ours.status_code == 202
    await kept(both, client, traces[-1][0]["traceId"])
    wrong = []
    for number in range(count):
        start_ms = ask.TANGLED_US // 1000 + number * 10_000
        ends = [start_ms + 5_000, start_ms + dice.randint(0, 5_000)]
        for call in ("dependencies?", "traces?limit=9&"):
            for end_ms in ends:
                path = f"/api/v2/{call}endTs={end_ms}&lookback={end_ms - start_ms + 1}"
                theirs, ours = await answers(both, client, "GET", path)
                if meaning(theirs) != meaning(ours):
                    wrong.append(f"{path}: {theirs.text[:300]}, ours {ours.text[:300]}")
    assert wrong == []


def test_every_difference_is_one_that_is_asked_for() -> None:
    known = {sent.name for sent in ask.odd_members()} | set(ask.questions())
    assert set(DIFFERS) <= known
