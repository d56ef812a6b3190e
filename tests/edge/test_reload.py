"""Reload: what changed is told, the last good goes on, and nobody's request fails."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from config import load
from edge.answers.face import EdgeFace
from edge.gateway import Gateway
from edge.settings.edge_config import EdgeConfig
from edge.settings.reload import in_force
from mesh.deps import Deps
from proxy.settings import ListenerSettings
from proxy.tasks import Tasks
from tests.kits.certificates import Authority
from tests.kits.edge_process import RunningEdge, running_edge, send, services
from tests.kits.mirror import mirror
from tests.kits.running import free_port, soon, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RELOADS = 100
ANSWERS = 100  # between each two
CLIENTS = 8


def config(place: Path, target: str, *more: str, port: int = 0, watch: str = "false") -> str:
    return f"""
listener: {{ip: 127.0.0.1, port: {port}}}
admin: {{ip: 127.0.0.1, port: 0}}
hosts: [www.hello.world{"".join(f", {host}" for host in more)}]
dtab: |
  /srv => /#/io.l5d.fs ;
  /svc => /srv/{target} ;
namers: [{{kind: io.l5d.fs, rootDir: "{place}"}}]
reload_on_change: {watch}
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with mirror("one") as one, mirror("two") as two:
        yield services(tmp_path, {"one": one.port, "two": two.port})


def reload(edge: RunningEdge) -> tuple[int, dict[str, Any]]:
    answer = httpx.post(f"{edge.admin}/reload")
    told: dict[str, Any] = answer.json()
    return answer.status_code, told


def upstream(edge: RunningEdge) -> str:
    answer = send(edge.port, b"GET / HTTP/1.1\r\nHost: www.hello.world\r\n\r\n")
    return answer.partition(b"X-Upstream: ")[2].partition(b"\r\n")[0].decode()


def test_the_answer_says_what_has_changed(tmp_path: Path, place: Path) -> None:
    with running_edge(tmp_path, config(place, "one")) as edge:
        assert upstream(edge) == "one"
        assert reload(edge)[1]["changed"] == []
        edge.file.write_text(config(place, "two", "new.example"))
        status, told = reload(edge)
        assert (status, told["done"], told["problems"]) == (200, True, [])
        assert told["changed"] == ["hosts.new.example", "dtab"]
        assert upstream(edge) == "two"


def test_with_any_problem_the_last_good_goes_on(tmp_path: Path, place: Path) -> None:
    with running_edge(tmp_path, config(place, "one")) as edge:
        edge.file.write_text(config(place, "two").replace("hosts:", "hosst:") + "limits: 5\n")
        status, told = reload(edge)
        assert (status, told["done"], told["changed"]) == (409, False, [])
        assert len(told["problems"]) == 2
        assert "did you mean hosts?" in told["problems"][0]
        assert upstream(edge) == "one"
        edge.file.unlink()
        assert reload(edge)[0] == 409
        assert upstream(edge) == "one"


def test_a_signal_and_a_change_of_the_file_reload_too(tmp_path: Path, place: Path) -> None:
    with running_edge(tmp_path, config(place, "one")) as edge:
        edge.file.write_text(config(place, "two"))
        edge.hang_up()
        until(lambda: upstream(edge) == "two")
        assert "reloaded, changed: dtab" in edge.log
        edge.file.write_text(config(place, "two", watch="true"))
        assert reload(edge)[1]["changed"] == ["reload_on_change"]
        edge.file.write_text(config(place, "one", watch="true"))
        until(lambda: upstream(edge) == "one")


def test_a_listener_moves_and_what_cannot_is_told(tmp_path: Path, place: Path) -> None:
    with running_edge(tmp_path, config(place, "one")) as edge:
        port = free_port()
        text = config(place, "one", port=port)
        edge.file.write_text(text.replace("127.0.0.1, port: 0}", "127.0.0.1, port: 1}"))
        _, told = reload(edge)
        assert set(told["changed"]) == {"listener.port", "admin.port"}
        assert told["waits"] == ["admin.port"]
        assert httpx.get(f"{edge.admin}/config.json").json()["admin"]["port"] == 0
        assert reload(edge)[1]["waits"] == ["admin.port"]  # until it is restarted
        origins = httpx.get(f"{edge.admin}/config/origins").json()
        (admin_port,) = [one for one in origins if one["key"] == "admin.port"]
        waiting = "as at the start; the file's waits for a restart"
        assert (admin_port["value"], admin_port["origin"]) == (0, waiting)
        old, edge.port = edge.port, port
        assert upstream(edge) == "one"
        with pytest.raises(ConnectionError):
            send(old, b"GET / HTTP/1.1\r\nHost: www.hello.world\r\n\r\n")
        edge.file.write_text(config(place, "two", port=int(edge.admin.rpartition(":")[2])))
        status, told = reload(edge)
        assert status == 409
        assert "cannot listen" in told["problems"][0]
        assert upstream(edge) == "one"


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        (
            "tracing: {collector: 'http://a:1', sample_rate: 0.5}",
            "tracing: {collector: 'http://b:1', sample_rate: 0.7}\nlinks: true",
            "tracing: {collector: 'http://a:1', sample_rate: 0.7}\nlinks: false",
        ),
        ("{}", "tracing: {}\ndtab: /a => /b", "dtab: /a => /b"),
        (
            "tracing: {sample_rate: 0.5}",
            "dtab: /a => /b",
            "tracing: {sample_rate: 0.5}\ndtab: /a => /b",
        ),
    ],
)
def test_what_waits_for_a_restart_stays_as_it_was(before: str, after: str, stays: str) -> None:
    first, second, wanted = (load(EdgeConfig, text, source="x") for text in (before, after, stays))
    assert in_force(first, second) == wanted


async def test_a_grants_file_that_is_wrong_is_told_once(tmp_path: Path) -> None:
    text = f"hosts: [a]\ngrants: {{keys: {tmp_path}/keys}}"
    tasks = Tasks()
    gateway = Gateway(load(EdgeConfig, text, source="x"), EdgeFace)
    await gateway.start(Deps(), tasks)
    missing = [f"{tmp_path}/keys: No such file or directory"]
    assert [gateway.sweep(0.0) for _ in range(3)] == [missing, [], []]
    (tmp_path / "keys").mkdir()
    assert gateway.sweep(0.0) == []
    (tmp_path / "keys").rmdir()
    assert [gateway.sweep(0.0) for _ in range(2)] == [missing, []]
    gateway.close()
    await tasks.aclose()


def test_of_two_new_listeners_none_stays_where_one_cannot_be(tmp_path: Path, place: Path) -> None:
    def refuses(port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 30).close()
        except ConnectionRefusedError:
            return True
        return False

    with running_edge(tmp_path, config(place, "one")) as edge:
        free, taken = free_port(), int(edge.admin.rpartition(":")[2])
        ports = "".join(f"- {{ip: 127.0.0.1, port: {port}}}\n" for port in (free, taken))
        only = "listener: {ip: 127.0.0.1, port: 0}\n"
        edge.file.write_text(config(place, "two").replace(only, f"listeners:\n{ports}"))
        status, told = reload(edge)
        assert (status, "cannot listen" in told["problems"][0]) == (409, True)
        until(lambda: refuses(free))
        assert upstream(edge) == "one"
        edge.file.write_text(config(place, "one"))
        assert reload(edge)[0] == 200
        assert upstream(edge) == "one"


def test_a_listener_changes_on_its_address_and_keeps_its_connections(
    tmp_path: Path, place: Path
) -> None:
    ask = b"GET / HTTP/1.1\r\nHost: www.hello.world\r\n\r\n"
    long = b"GET / HTTP/1.1\r\nHost: www.hello.world\r\nX: " + b"a" * 2_000 + b"\r\n\r\n"
    authority = Authority(tmp_path)
    files = authority.issue("www.hello.world")
    plain = "{ip: 127.0.0.1, port: 0}\nadmin"
    bounded = "{ip: 127.0.0.1, port: 0, bounds: {head_bytes_max: 1000}}\nadmin"
    tls = f"tls: {{certificates: [{{cert: {files.chain}, key: {files.key}}}]}}"
    with running_edge(tmp_path, config(place, "one")) as edge:
        kept = socket.create_connection(("127.0.0.1", edge.port))
        kept.sendall(ask)
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
        edge.file.write_text(config(place, "one").replace(plain, bounded))
        assert reload(edge)[1]["problems"] == []
        assert send(edge.port, long).startswith(b"HTTP/1.1 431 ")
        kept.sendall(long)  # by the bounds that it began with
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
        edge.file.write_text(
            config(place, "one").replace(plain, plain.replace("0}", f"0, {tls}}}"))
        )
        assert reload(edge)[1]["problems"] == []
        context = ssl.create_default_context(cafile=authority.file)
        with (
            socket.create_connection(("127.0.0.1", edge.port)) as tcp,
            context.wrap_socket(tcp, server_hostname="www.hello.world") as secure,
        ):
            secure.sendall(ask)
            assert secure.recv(65_536).startswith(b"HTTP/1.1 200 ")
        kept.sendall(ask)
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
        kept.close()


@pytest.mark.slow
def test_a_hundred_reloads_under_load_fail_no_request(tmp_path: Path, place: Path) -> None:
    elsewhere = tmp_path / "elsewhere"  # so that every reload swaps the namers, too
    shutil.copytree(place, elsewhere)
    good = [config(place, "one"), config(elsewhere, "two", "new.example")]
    with running_edge(tmp_path, good[0]) as edge:
        answers, outcomes = asyncio.run(_load_and_reload(edge, good))
        assert outcomes == [number % 5 != 4 for number in range(RELOADS)]
        assert set(answers) == {"one", "two"}  # every answer came from a service
        assert sum(answers.values()) >= RELOADS * ANSWERS
        counts = httpx.get(f"{edge.admin}/edge.json").json()
        assert counts["reloads"] == RELOADS


async def _load_and_reload(edge: RunningEdge, good: list[str]) -> tuple[dict[str, int], list[bool]]:
    answers: dict[str, int] = {}
    stop = asyncio.Event()

    async def client() -> None:
        """Keeps one connection for as long as any may be kept; an earlier close raises here."""
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        asked = 0
        while not stop.is_set():
            asked += 1
            writer.write(b"GET / HTTP/1.1\r\nHost: www.hello.world\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            await reader.readexactly(int(fields[b"Content-Length"]))
            name = fields[b"X-Upstream"].decode()
            answers[name] = answers.get(name, 0) + 1
            if b"Connection" in fields:
                assert (fields[b"Connection"], asked) == (b"close", ListenerSettings().requests_max)
                writer.close()
                await writer.wait_closed()
                reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
                asked = 0
        writer.close()
        await writer.wait_closed()

    def answered(least: int) -> bool:
        return sum(answers.values()) >= least

    async def reloads() -> list[bool]:
        outcomes = []
        async with httpx.AsyncClient() as http:
            for number in range(RELOADS):
                bad = number % 5 == 4
                text = "hosts: [" if bad else good[number % 2]
                edge.file.write_text(text)
                answer = await http.post(f"{edge.admin}/reload", timeout=30)
                outcomes.append(bool(answer.json()["done"]))
                await soon(partial(answered, (number + 1) * ANSWERS))
        stop.set()
        return outcomes

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
        done = group.create_task(reloads())
    return answers, done.result()
