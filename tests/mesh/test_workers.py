"""Several workers as real processes: killed, reloaded and drained while clients ask."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from tests.kits.running import alive, until
from tests.kits.serving import GET, Load, mesh_config, serving
from tests.kits.sockets import connected, upstream, whole_request

if TYPE_CHECKING:
    from pathlib import Path


def config(folder: Path, port: int, workers: int) -> str:
    log = f'{{path: {folder / "access.log"}, format: "{{status}} {{service}}"}}'
    return mesh_config(folder, port, top=f"workers: {workers}\naccessLog: {log}")


async def test_a_killed_worker_loses_only_its_own_requests(tmp_path: Path) -> None:
    async with upstream() as behind:
        with serving(tmp_path, "mesh", config(tmp_path, behind.port, 2)) as mesh:
            async with Load(mesh.ports["out"], 8) as load:
                await load.until(200)
                before = await asyncio.to_thread(mesh.workers)
                assert all(one["ready"] for one in before)
                os.kill(before[0]["pid"], signal.SIGKILL)

                def replaced() -> bool:
                    now = mesh.workers()
                    return bool(now[0]["ready"]) and now[0]["pid"] != before[0]["pid"]

                await asyncio.to_thread(until, replaced, 60)
                await load.until(200)
            after = await asyncio.to_thread(mesh.workers)
            assert after[0]["starts"] == 2
            assert after[1]["pid"] == before[1]["pid"]
            # A client has one request at a time. It may lose a second one: while the kernel closes
            # what the dead worker held, its listening socket may still take a new connection.
            assert load.broken <= 2 * 8
            assert load.wrong == []
            assert "was ended by SIGKILL; another in 0.1 s" in mesh.log


async def test_a_worker_that_crashes_again_waits_longer(tmp_path: Path) -> None:
    async with upstream() as behind:
        with serving(tmp_path, "mesh", config(tmp_path, behind.port, 2)) as mesh:
            for starts, wait in ((2, "0.1"), (3, "0.2")):
                worker = (await asyncio.to_thread(mesh.workers))[0]
                os.kill(worker["pid"], signal.SIGKILL)

                def again(starts: int = starts) -> bool:
                    now = mesh.workers()[0]
                    return bool(now["ready"]) and now["starts"] == starts

                await asyncio.to_thread(until, again, 60)
                assert f"another in {wait} s" in mesh.log


async def test_one_admin_port_tells_the_sum_and_it_never_falls(tmp_path: Path) -> None:
    async with upstream() as behind:
        with serving(tmp_path, "mesh", config(tmp_path, behind.port, 2)) as mesh:
            for _ in range(30):
                async with connected(mesh.ports["out"]) as client:
                    assert (await client.ask(GET))[1] == b"hello"
            total = "service/svc/web/requests"
            assert await asyncio.to_thread(mesh.metric, total) == 30
            assert (
                await asyncio.to_thread(mesh.metric, "service/svc/web/request_latency_ms.count")
                == 30
            )
            size = await asyncio.to_thread(mesh.metric, "loadbalancer/size")
            assert size == 1  # each worker sees the same endpoint
            text = (await asyncio.to_thread(mesh.get, "/admin/metrics/prometheus")).text
            assert 'rt:service:requests{rt="out", service="svc/web"} 30\n' in text
            workers = await asyncio.to_thread(mesh.workers)
            for one in workers:
                os.kill(one["pid"], signal.SIGKILL)
            await asyncio.to_thread(
                until, lambda: all(x["ready"] and x["starts"] == 2 for x in mesh.workers()), 60
            )
            assert await asyncio.to_thread(mesh.metric, total) == 30
            async with connected(mesh.ports["out"]) as client:
                await client.ask(GET)
            assert await asyncio.to_thread(mesh.metric, total) == 31
            assert await asyncio.to_thread(mesh.metric, "access_log/dropped") == 0
            assert (await asyncio.to_thread(mesh.get, "/admin/ping")).text == "pong"


async def test_reloads_under_load_fail_no_request(tmp_path: Path) -> None:
    async with upstream() as behind:
        with serving(tmp_path, "mesh", config(tmp_path, behind.port, 2)) as mesh:
            async with Load(mesh.ports["out"], 4) as load:
                for count in range(1, 6):
                    mesh.process.send_signal(signal.SIGHUP)
                    await asyncio.to_thread(
                        until, lambda count=count: mesh.log.count("reloaded") >= 2 * count
                    )
                    await load.until(20)
            assert (load.broken, load.wrong) == (0, [])
            answered = load.answered
        lines = (tmp_path / "access.log").read_text().splitlines()
        assert lines == ["200 /svc/web"] * answered


async def test_a_hang_up_changes_routes_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    other = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"
    async with upstream() as behind, upstream(whole_request(other)) as second:
        text = config(tmp_path, behind.port, 1)
        (tmp_path / "names" / "other").write_text(f"127.0.0.1 {second.port}\n")
        with serving(tmp_path, "mesh", text) as mesh:
            async with connected(mesh.ports["out"]) as kept:
                assert (await kept.ask(GET))[1] == b"hello"
                for number, (fresh, answer) in enumerate(
                    [
                        ("dtab: /svc => /#/io.l5d.fs; /svc/web => /#/io.l5d.fs/other", b"other"),
                        ("dtab: not a dtab", b"other"),
                        ("dtab: /svc => /#/io.l5d.fs", b"hello"),
                    ],
                    start=1,
                ):
                    changed = text.replace("dtab: /svc => /#/io.l5d.fs", fresh)
                    (tmp_path / "mesh.yml").write_text(changed)
                    mesh.process.send_signal(signal.SIGHUP)
                    await asyncio.to_thread(
                        until, lambda number=number: mesh.log.count("reloaded") == number
                    )
                    assert (await kept.ask(GET))[1] == answer
            assert "not reloaded: " in mesh.log
            assert "mesh.yml:9:" in mesh.log


async def test_a_drain_fails_readiness_first_then_ends_connections(tmp_path: Path) -> None:
    async with upstream() as behind:
        text = config(tmp_path, behind.port, 1)
        with serving(tmp_path, "mesh", text, "--drain-delay-s=4") as mesh:
            assert (await asyncio.to_thread(mesh.get, "/admin/live")).status_code == 200
            assert (await asyncio.to_thread(mesh.get, "/admin/ready")).status_code == 200
            async with connected(mesh.ports["out"]) as kept, connected(mesh.ports["out"]) as idle:
                await kept.ask(GET)
                mesh.process.send_signal(signal.SIGTERM)

                def draining() -> bool:
                    answer = mesh.get("/admin/ready")
                    return (answer.status_code, answer.text) == (503, "draining\n")

                await asyncio.to_thread(until, draining)
                assert (await asyncio.to_thread(mesh.get, "/admin/live")).status_code == 200
                async with connected(mesh.ports["out"]) as late:  # not everyone has heard yet
                    head, _ = await late.ask(GET)
                    assert b"\r\nConnection: close\r\n" in head
                head, _ = await kept.ask(GET)
                assert b"\r\nConnection: close\r\n" in head
                assert await kept.reader.read() == b""
                assert await idle.reader.read() == b""
            assert await asyncio.to_thread(mesh.process.wait, 60) == 0
            assert "stopped, 0 connections were cut" in mesh.log


async def test_what_does_not_end_in_time_is_cut_and_counted(tmp_path: Path) -> None:
    async with upstream(lambda _: None) as silent:
        text = config(tmp_path, silent.port, 2)
        with serving(tmp_path, "mesh", text, "--drain-deadline-s=0.3") as mesh:
            async with connected(mesh.ports["out"]) as one, connected(mesh.ports["out"]) as two:
                one.writer.write(GET)
                two.writer.write(GET)
                await silent.until(lambda: silent.seen.count(b"GET") == 2)
                pids = [worker["pid"] for worker in await asyncio.to_thread(mesh.workers)]
                assert await asyncio.to_thread(mesh.end) == 0
            assert "stopped, 2 connections were cut" in mesh.log
            assert not any(alive(pid) for pid in pids)


async def test_a_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    async with upstream(lambda _: None) as silent:
        text = config(tmp_path, silent.port, 2)
        with serving(tmp_path, "mesh", text, "--drain-deadline-s=60") as mesh:
            async with connected(mesh.ports["out"]) as client:
                client.writer.write(GET)
                await silent.until(lambda: b"GET" in silent.seen)
                pids = [worker["pid"] for worker in await asyncio.to_thread(mesh.workers)]
                mesh.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(
                    until, lambda: mesh.get("/admin/ready").text == "draining\n"
                )
                assert await asyncio.to_thread(mesh.end) == 130
            await asyncio.to_thread(until, lambda: not any(alive(pid) for pid in pids))


async def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    async with upstream() as behind:
        with serving(tmp_path, "mesh", config(tmp_path, behind.port, 2)) as mesh:
            pids = [worker["pid"] for worker in await asyncio.to_thread(mesh.workers)]
            mesh.process.kill()
            await asyncio.to_thread(mesh.process.wait, 60)
            await asyncio.to_thread(until, lambda: not any(alive(pid) for pid in pids))
