"""Starting, losing a part, stopping: each with a system of its own."""

from __future__ import annotations

import os
import re
import signal
import uuid
from pathlib import Path

import httpx

from tests.kits.running import alive, running, start_up, until

POD = re.compile(r"127\.0\.1\.\d+")
WWW = {"Host": "www.hello.world"}


def test_a_dead_pod_is_left_alone_and_the_last_one_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as system:
        os.kill(system.pids["hello-1"], signal.SIGKILL)
        until(lambda: not alive(system.pids["hello-1"]))
        for _ in range(20):  # a read that meets the dead pod is asked of the living one
            answer = httpx.get(system.edge, headers=WWW)
            assert answer.status_code == 200
            assert POD.findall(answer.text)[0] == "127.0.1.129"

        os.kill(system.pids["world-v2-1"], signal.SIGKILL)
        until(lambda: not alive(system.pids["world-v2-1"]))
        mark = uuid.uuid4().hex
        answer = httpx.get(f"{system.outgoing}/{mark}", headers={"Host": "world-v2"})
        assert answer.status_code == 502
        assert answer.text == (
            "Unable to establish connection to 127.0.1.131:7778.\n\n"
            "service name: /svc/world-v2\n"
            "client name: /%/io.weir.localnode/127.0.0.12/#/io.l5d.fs/world-v2\n"
            "addresses: [127.0.1.131:7778]\nselected address: 127.0.1.131:7778\n"
        )
        told = "Unable to establish connection to 127.0.1.131:7778."
        until(lambda: told in str(system.traces(annotationQuery=f"http.uri=/{mark} and error")))
        log = (tmp_path / "up.log").read_text()
        assert "hello-1 ended with exit code -9; it is not restarted" in log


def test_ctrl_c_while_starting_leaves_nothing_behind(tmp_path: Path) -> None:
    process = start_up(tmp_path)
    log_dir = tmp_path / "logs"
    until(lambda: log_dir.exists() and len(list(log_dir.iterdir())) > 3)
    os.kill(process.pid, signal.SIGINT)
    process.wait(60)
    assert process.returncode == 0
    assert not [
        pid.name
        for pid in Path("/proc").iterdir()
        if pid.name.isdigit() and str(tmp_path) in _command(pid)
    ]


def test_killed_without_mercy_it_takes_its_processes_along(tmp_path: Path) -> None:
    process = start_up(tmp_path)
    ready = tmp_path / "ready.json"
    until(ready.exists, 60)
    children = {
        pid.name
        for pid in Path("/proc").iterdir()
        if pid.name.isdigit() and _parent(pid) == process.pid
    }
    assert len(children) == 11
    process.kill()
    process.wait()
    until(lambda: not any(alive(int(pid)) for pid in children))


def _command(pid: Path) -> str:
    try:
        return (pid / "cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _parent(pid: Path) -> int:
    try:
        return int((pid / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0
