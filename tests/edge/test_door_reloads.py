"""A new configuration at every front door."""

from __future__ import annotations

from tests.edge.doors import Stage, ws
from tests.kits.mirror import asked
from tests.kits.played import up_to
from tests.kits.running import until


def test_a_reload_changes_routes_and_a_bad_file_nothing(stage: Stage) -> None:
    good = stage.edge.file.read_text()

    def upstream() -> str:
        return str(stage.ask("www.hello.world").headers.get("x-upstream", ""))

    with stage.sock() as sock:
        assert asked(sock).startswith(b"HTTP/1.1 200 ")
        try:
            stage.edge.file.write_text(good.replace("/srv/one ;", "/srv/two ;"))
            until(lambda: upstream() == "two")
            stage.edge.file.write_text("hosts: [")
            until(lambda: "not reloaded, the last good configuration goes on" in stage.edge.log)
            assert upstream() == "two"
        finally:
            stage.edge.file.write_text(good)
        until(lambda: upstream() == "one")
        assert asked(sock).startswith(b"HTTP/1.1 200 ")


def test_a_reload_leaves_streams_and_sockets_alone(stage: Stage) -> None:
    good = stage.edge.file.read_text()
    stage.go_on.clear()
    with stage.sock() as sock, ws(stage) as client:
        client.recv(30)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: parts.example\r\n\r\n")
        up_to(sock, b"first")
        try:
            stage.edge.file.write_text(good.replace("/srv/one ;", "/srv/two ;"))
            until(lambda: stage.ask("www.hello.world").headers.get("x-upstream") == "two")
            client.send("still there?")
            assert client.recv(30) == "still there?"
            stage.go_on.set()
            up_to(sock, b"second")
        finally:
            stage.edge.file.write_text(good)
        until(lambda: stage.ask("www.hello.world").headers.get("x-upstream") == "one")
