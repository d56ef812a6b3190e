"""Every front door, the engine and the application under other servers, with services behind it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from tests.kits.certificates import Authority
from tests.kits.edge_process import RunningEdge, running_app, running_edge
from tests.kits.mirror import mirror
from tests.kits.played import head_of, played
from tests.kits.running import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from websockets.typing import Subprotocol

CONFIG = """
listener: {{ip: 127.0.0.1, port: 0}}
admin: {{ip: 127.0.0.1, port: 0}}
hosts:
- {{host: www.hello.world, timeout_s: 5}}
- {{host: half.example, service: /srv/half}}
- {{host: gone.example, service: /srv/gone}}
- {{host: late.example, forward: "127.0.0.1:{silent}", timeout_s: 0.3}}
- {{host: parts.example, forward: "127.0.0.1:{parts}"}}
- {{host: bare.example, forward: "127.0.0.1:{bare}"}}
- {{host: socket.example, service: /host/socket}}
- {{host: secure.example, service: /srv/secure}}
- {{host: forged.example, service: /srv/forged}}
- {{host: away.example, redirect: {{scheme: https, host: www.away.example}}}}
dtab: |
  /srv => /#/io.l5d.fs ;
  /host/world => /srv/one ;
  /host/socket => /srv/socket ;
  /svc => /host/world ;
namers: [{{kind: io.l5d.fs, rootDir: "{services}"}}]
client:
  kind: io.l5d.static
  configs:
  - prefix: "/#/io.l5d.fs/secure"
    tls: {{commonName: secure.internal, trustCerts: ["{ca}"]}}
  - prefix: "/#/io.l5d.fs/forged"
    tls: {{commonName: secure.internal, trustCerts: ["{ca}"]}}
trust:
- name: employee
  cookie: {{name: c, equals: letmein}}
  may_override: true
reload_on_change: true
"""
EMPLOYEE = {"Cookie": "c=letmein"}


@dataclass
class Stage:
    """A front door, and services behind it."""

    door: str
    edge: RunningEdge
    go_on: threading.Event  # lets `parts` go on
    seen: list[bytes]  # by `parts`

    def ask(
        self, host: str, path: str = "/", method: str = "GET", **more: object
    ) -> httpx.Response:
        """One request's answer; the rest is as httpx has it."""
        headers = {"Host": host, **dict(more.pop("headers", {}))}  # type: ignore[call-overload]
        url = f"http://127.0.0.1:{self.edge.port}{path}"
        return httpx.request(method, url, headers=headers, timeout=20, **more)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def sock(self) -> Iterator[socket.socket]:
        """A connection of its own."""
        with socket.create_connection(("127.0.0.1", self.edge.port), 30) as sock:
            yield sock


def echo(name: str) -> Callable[[ServerConnection], None]:
    """Says what it was asked with, then repeats every message."""

    def part(connection: ServerConnection) -> None:
        assert connection.request is not None
        head = {key.lower(): value for key, value in connection.request.headers.raw_items()}
        path = connection.request.path
        connection.send(json.dumps({"name": name, "path": path, "headers": head}))
        for message in connection:
            if message == "close, please":
                connection.close(4321, "as you wish")
                return
            connection.send(message)

    return part


@contextlib.contextmanager
def sockets(name: str) -> Iterator[int]:
    """A WebSocket server that is such an echo; its port."""

    def choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return next((one for one in offered if one == "v2.echo"), None)

    with serve(echo(name), "127.0.0.1", 0, select_subprotocol=choose, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(5)


def bare(connection: socket.socket) -> None:
    """Answers without a body, by path."""
    while request := head_of(connection):
        status = request.split(b" ")[1].strip(b"/")
        if request.startswith(b"HEAD"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
        elif status == b"101":
            connection.sendall(b"HTTP/1.1 101 Y\r\nUpgrade: h3\r\nConnection: upgrade\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 " + status + b" X\r\nETag: w\r\n\r\n")


def _hello(connection: socket.socket) -> None:
    while head_of(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecure")


@contextlib.contextmanager
def staged(folder: Path, door: str) -> Iterator[Stage]:
    """The door in front of services that show what became of a request."""
    go_on, seen = threading.Event(), list[bytes]()

    def parts(connection: socket.socket) -> None:
        request = head_of(connection)
        seen.append(request)
        if request.startswith(b"POST"):
            while not request.endswith(b"0\r\n\r\n") and (more := connection.recv(65_536)):
                request += more
                seen.append(more)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nfirst\r\n"
        )
        if request.startswith(b"GET /forever"):
            with contextlib.suppress(OSError):
                connection.recv(1)
            seen.append(b"the end")
            return
        go_on.wait(20)
        connection.sendall(b"6\r\nsecond\r\n0\r\n\r\n")

    authority = Authority(folder)

    def context(name: str) -> ssl.SSLContext:
        files = authority.issue(name)
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(files.chain, files.key)
        return made

    with (
        mirror("one") as one,
        mirror("two") as two,
        mirror("") as silent,
        played(parts) as parts_port,
        played(bare) as bare_port,
        played(_hello, context("secure.internal")) as secure,
        played(_hello, context("other.internal")) as forged,
        sockets("socket") as socket_one,
        sockets("socket-v2") as socket_two,
    ):
        silent.silent = True
        place = folder / "services"
        place.mkdir()
        for name, ports in {
            "one": [one.port],
            "two": [two.port],
            "half": [free_port(), one.port],
            "gone": [free_port()],
            "secure": [secure],
            "forged": [forged],
            "socket": [socket_one],
            "socket-v2": [socket_two],
        }.items():
            (place / name).write_text("".join(f"127.0.0.1 {port}\n" for port in ports))
        text = CONFIG.format(
            services=place,
            silent=silent.port,
            parts=parts_port,
            bare=bare_port,
            ca=authority.file,
        )
        running = (
            running_edge(folder, text) if door == "engine" else running_app(folder, text, door)
        )
        with running as edge:
            yield Stage(door, edge, go_on, seen)


def ws(
    stage: Stage,
    host: str = "socket.example",
    headers: dict[str, str] | None = None,
    subprotocols: Sequence[Subprotocol] | None = None,
) -> ClientConnection:
    """A WebSocket through the door."""
    sock = socket.create_connection(("127.0.0.1", stage.edge.port), 30)
    return connect(
        f"ws://{host}/a?b=c", sock=sock, additional_headers=headers, subprotocols=subprotocols
    )
