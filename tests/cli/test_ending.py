"""What commands write, and what they say when they cannot."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from weir.commands import dtab, edge, grant
from weir.commands.ending import write_atomically
from weir.commands.mesh import mesh

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

TABLE = "/svc=>/host;/host=>/srv"


def weir(command: str, *words: str) -> Result:
    alone = typer.Typer()
    alone.command()(mesh)
    apps = {"dtab": dtab.app, "edge": edge.app, "grant": grant.app, "mesh": alone}
    return CliRunner().invoke(apps[command], list(words))


def test_a_rewritten_file_keeps_its_mode_and_the_links_to_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept.dtab"
    kept.write_text(TABLE)
    kept.chmod(0o640)
    link = tmp_path / "base.dtab"
    link.symlink_to(kept)
    assert weir("dtab", "fmt", str(link), "--write").exit_code == 0
    assert link.is_symlink()
    assert kept.read_text() != TABLE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["base.dtab", "kept.dtab"]


@pytest.mark.parametrize("command", [("dtab", "fmt", "--write"), ("edge", "fmt", "--write")])
def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / ("x" * 253)  # there is no room for the new one's name beside it
    file.write_text(TABLE if command[0] == "dtab" else "hosts:   [a]")
    done = weir(*command, str(file))
    assert (done.exit_code, done.stderr) == (1, f"{file}: cannot be written: File name too long\n")


def test_a_file_that_could_not_be_written_leaves_nothing_beside_it(tmp_path: Path) -> None:
    taken = tmp_path / "ready"
    taken.mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(taken, "{}")
    assert list(tmp_path.iterdir()) == [taken]


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    config = tmp_path / "node.yml"
    log = tmp_path / "absent" / "access.log"
    config.write_text(
        f"admin: {{port: 0}}\naccessLog: {{path: {log}}}\n"
        "routers: [{protocol: http, servers: [{port: 0}]}]\n"
    )
    done = weir("mesh", str(config))
    told = f"mesh: {log} cannot be opened: No such file or directory\n"
    assert (done.exit_code, done.stderr) == (1, told)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_ready_file_that_cannot_be_written_is_told(tmp_path: Path, workers: int) -> None:
    config = tmp_path / "node.yml"
    config.write_text(
        f"workers: {workers}\nadmin: {{ip: 127.0.0.1, port: 0}}\n"
        "routers: [{protocol: http, label: out, servers: [{ip: 127.0.0.1, port: 0}]}]\n"
    )
    words = ["mesh", str(config), f"--ready-file={tmp_path}/absent/ready.json"]
    done = subprocess.run(
        [sys.executable, "-m", "weir", *words], check=False, capture_output=True, timeout=60
    )
    said = f"mesh: cannot write {tmp_path}/absent/ready.json: No such file or directory"
    assert said in done.stderr.decode().splitlines()
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    "command",
    [
        ("dtab", "lint"),
        ("edge", "check"),
        ("edge", "import"),
        ("mesh",),
        ("grant", "revoke", "name:alice", "--file"),
    ],
)
def test_a_file_that_is_no_text_is_told(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a: \xff")
    done = weir(*command, str(file))
    told = f"{file}: cannot be read: it is no UTF-8 text (byte 4)\n"
    assert (done.exit_code, done.stderr) == (2, told)
