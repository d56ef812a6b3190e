"""WebSockets through every front door."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.edge.doors import EMPLOYEE, Stage, ws

if TYPE_CHECKING:
    from websockets.typing import Subprotocol


def test_a_websocket_carries_messages_both_ways(stage: Stage) -> None:
    with ws(stage) as client:
        told = json.loads(client.recv(30))
        assert (told["name"], told["path"]) == ("socket", "/a?b=c")
        for message in ("text", "ü" * 1_000, b"\x00\xff", b"x" * 300_000, ""):
            client.send(message)
            assert client.recv(30) == message
        client.send(["in ", "three ", "pieces"])
        assert client.recv(30) == "in three pieces"


def test_a_websockets_subprotocol_is_the_services_choice(stage: Stage) -> None:
    offered: list[Subprotocol] = ["v1.echo", "v2.echo"]  # type: ignore[list-item]
    with ws(stage, subprotocols=offered) as client:
        assert client.subprotocol == "v2.echo"


def test_a_close_keeps_its_code_and_reason(stage: Stage) -> None:
    with ws(stage) as client:
        client.recv(30)
        client.send("close, please")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(30)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4321, "as you wish")


def test_nobody_steers_a_websocket_who_may_not(stage: Stage) -> None:
    steer = {"l5d-dtab": "/host/socket => /srv/socket-v2", "l5d-sample": "1"}
    with ws(stage, headers=steer) as client:
        told = json.loads(client.recv(30))
        assert told["name"] == "socket"
        assert "l5d-dtab" not in told["headers"]
        assert "l5d-sample" not in told["headers"]
        assert told["headers"]["x-forwarded-for"] == "127.0.0.1"
    with ws(stage, headers=steer | EMPLOYEE) as client:
        assert json.loads(client.recv(30))["name"] == "socket-v2"


@pytest.mark.parametrize(("host", "status"), [("gone.example", 502), ("www.hello.world", 200)])
def test_a_websocket_that_nobody_takes_is_refused(stage: Stage, host: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused, ws(stage, host):
        pass
    assert refused.value.response.status_code == status


def test_what_follows_a_refused_upgrade_is_no_tunnel(stage: Stage) -> None:
    """Attacks 82: bytes behind a refusal are a request of their own, or nothing."""
    with stage.sock() as sock:
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: gone.example\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            b"GET /smuggled HTTP/1.1\r\nHost: www.hello.world\r\nl5d-dtab: /a => /b\r\n"
            b"Connection: close\r\n\r\n"
        )
        got = sock.recv(65_536)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)  # hypercorn waits for more
            while more := sock.recv(65_536):
                got += more
    # hypercorn may refuse bytes behind a handshake itself.
    assert re.match(rb"HTTP/1\.1 (?:502|400) ", got), got
    assert b"l5d-dtab" not in got
