"""What one connection asks, one after another, is judged as if each had come alone.

The engine remembers how it judged the lines of a connection's last request, for most clients send
the same again. Nobody may notice.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edge.steering import COOKIES, FORMS, HEADERS, OVERRIDES, PATHS, TRACES, Attempt
from tests.edge.test_steering import MARK, Set, a_stage
from tests.kits.played import up_to

if TYPE_CHECKING:
    from collections.abc import Iterator

# What differs from one request to the next, however it comes.
NEWLY_MADE = re.compile(rb"(l5d-ctx-trace: |l5d-reqid: |trace: |\"trace\": \")[0-9A-Za-z+/=]+")
# Those that a server may answer on a connection that goes on, and of a sensible size.
ASKED = [
    one
    for one in (*FORMS, *HEADERS, *PATHS, *COOKIES, *OVERRIDES, *TRACES)
    if sum(map(len, one.lines)) < 4_000 and not one.body and one.method == b"GET"
]
# The same lines again, and again with another path, are what is remembered.
PLAIN = [
    Attempt("plain", target=target, host=host)
    for target in (b"/", b"/a?b", b"/a%2fb", b"/%41", b"/.weir/grant", b"/x/../y")
    for host in (b"www.hello.world", b"WWW.hello.world:80", b"api.hello.world", b"nobody.test")
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Set]:
    with a_stage(tmp_path_factory.mktemp("again"), "engine") as made:
        yield made


class Client:
    """One connection, opened anew when the gateway has ended it."""

    def __init__(self, stage: Set) -> None:
        self._stage = stage
        self._sock: socket.socket | None = None

    def ask(self, attempt: Attempt) -> tuple[bytes, ...]:
        """The answer, and what reached each mirror, less what is made newly for each request."""
        stage = self._stage
        before = [len(one.seen) for one in stage.mirrors]
        lines = (
            attempt.method + b" " + attempt.target + b" HTTP/1.1",
            b"Host: " + attempt.host,
            MARK + b"again",
            *attempt.lines,
        )
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", stage.edge.port), 30)
        self._sock.sendall(stage.filled(b"\r\n".join(lines) + b"\r\n\r\n"))
        answer = self._answer(self._sock)
        if b"\r\nconnection: close" in answer.lower():
            self.close()
        reached = [
            b"".join(one.seen[count:]) for one, count in zip(stage.mirrors, before, strict=True)
        ]
        return tuple(NEWLY_MADE.sub(rb"\1", text) for text in (answer, *reached))

    @staticmethod
    def _answer(sock: socket.socket) -> bytes:
        head, _, body = up_to(sock, b"\r\n\r\n").partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        while length is not None and len(body) < int(length[1]):
            body += sock.recv(65_536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        """End it."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from(PLAIN) | st.sampled_from(ASKED), min_size=2, max_size=8))
def test_a_request_is_judged_as_if_it_had_come_alone(stage: Set, attempts: list[Attempt]) -> None:
    together = Client(stage)
    try:
        for attempt in attempts:
            alone = Client(stage)
            assert together.ask(attempt) == alone.ask(attempt), attempt
            alone.close()
    finally:
        together.close()


def test_each_attempt_is_judged_alike_between_ordinary_requests(stage: Set) -> None:
    client = Client(stage)
    ordinary = client.ask(PLAIN[0])
    for attempt in (*ASKED, *PLAIN):
        alone = Client(stage)
        assert client.ask(attempt) == alone.ask(attempt), attempt
        alone.close()
        assert client.ask(PLAIN[0]) == ordinary, attempt
    client.close()
