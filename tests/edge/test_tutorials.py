"""The tutorials' transcripts, typed as they stand: by curl, before the system that they build."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.kits.edge_process import running_edge
from tests.kits.running import Running, free_port, running, until
from weir.local.topology import INCOMING_PORT, NODES

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "edge" / "nginx-only.yml"
NODES_YAML = ", ".join(f"{{ip: {node.ip}, pods: {node.pods}}}" for node in NODES)

# The tutorials' ingress router, but for its namer.
INGRESS = """
admin: {{ip: 127.0.0.1, port: {admin}}}
namers: [{{kind: io.l5d.fs, rootDir: "{services}"}}]
routers:
- protocol: http
  label: ingress
  dtab: |
    /srv                    => /#/io.l5d.fs ;
    /domain/world/hello/www => /srv/hello ;
    /domain/world/hello/api => /srv/api ;
    /host                   => /$/io.buoyant.http.domainToPathPfx/domain ;
    /svc                    => /host ;
  interpreter:
    kind: default
    transformers:
    - {{kind: io.weir.daemonset, port: {incoming}, nodes: [{nodes}]}}
  servers: [{{ip: 127.0.0.1, port: {port}}}]
"""


class Said(NamedTuple):
    """One command, before whom it is typed, and what it prints."""

    chapter: str
    stage: str
    command: str
    prints: re.Pattern[str]

    def __str__(self) -> str:
        return f"{self.stage}: {self.command}"


def transcripts() -> Iterator[Said]:
    chapter, stages = "", [""]
    lines = iter((HERE / "tutorials.txt").read_text().splitlines())
    for line in lines:
        if line.startswith("== "):
            chapter, _, names = line[3:].partition(" @ ")
            stages = names.split()
        elif line.startswith("$ "):
            wanted = re.escape(next(lines)).replace(r"\*", r"127\.0\.1\.\d+")
            for stage in stages:
                yield Said(chapter, stage, line[2:], re.compile(wanted))


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Who stands at $INGRESS_LB, by the stage's name; and $NODE."""
    folder = tmp_path_factory.mktemp("tutorials")
    with running(folder / "up") as system, linkerd(folder, system) as ingress:
        text = EXAMPLE.read_text().replace("${LINKERD:-127.0.0.1:4142}", ingress)
        text = text.replace("{ip: 0.0.0.0, port: 80}", "{ip: 127.0.0.1, port: 0}")
        with running_edge(folder, text + "admin: {port: 0}\n") as nginx:
            yield {
                "linkerd": f"http://{ingress}",
                "edge": system.edge,
                "nginx": f"http://127.0.0.1:{nginx.port}",
                "node": system.nodes[0]["ip"],
            }


@contextlib.contextmanager
def linkerd(folder: Path, system: Running) -> Iterator[str]:
    """The ingress router as a process of its own; its address."""
    port = free_port()
    file, ready = folder / "ingress.yml", folder / "ingress.json"
    file.write_text(
        INGRESS.format(
            admin=free_port(),
            port=port,
            services=system.state_dir / "discovery",
            incoming=INCOMING_PORT,
            nodes=NODES_YAML,
        )
    )
    with (folder / "ingress.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "weir", "mesh", str(file), f"--ready-file={ready}"],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until(ready.exists, 60)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("said", list(transcripts()), ids=str)
def test_a_transcript_of_the_tutorials_holds(stages: dict[str, str], said: Said) -> None:
    env = {"PATH": os.environ["PATH"], "INGRESS_LB": stages[said.stage], "NODE": stages["node"]}
    done = subprocess.run(
        ["sh", "-c", said.command], env=env, capture_output=True, text=True, timeout=20, check=True
    )
    assert said.prints.fullmatch(done.stdout.strip()), done.stdout
