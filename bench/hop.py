"""CPU per request of two proxies in a row: two nginx, two weirs, two weirs with a link between.

Both share one CPU, the load generator (wrk) and the upstream share the other; figures are sums of
both, and ratios to two nginx of the same round.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench._measure import LOAD_CPU, PROXY_CPU, Figure, measure, median
from bench._peers.nginx import nginx
from bench._peers.nginx import upstream as nginx_upstream
from bench._peers.place import Place
from bench._peers.weirs import gateway, incoming
from bench._report import show
from bench._shapes import Shape

if TYPE_CHECKING:
    from bench._peers.process import Program


@dataclass(frozen=True, slots=True)
class Row:
    """Two proxies, the first before the second."""

    name: str
    front: Program
    back: Program

    def measure(self, shape: Shape, folder: Path, seconds: int) -> Figure:
        """One load through both."""
        before = self.back.cpu_s()
        figure = measure(self.front, shape, folder, seconds)
        more = self.back.cpu_s() - before
        requests = figure.requests_per_s * seconds
        return replace(
            figure,
            name=self.name,
            cpu_us=figure.cpu_us + more / max(requests, 1.0) * 1e6,
            memory_mib=figure.memory_mib + self.back.memory_mib(),
        )


def run(arguments: argparse.Namespace) -> list[Figure]:
    """All rows under all loads, interleaved."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker drops privileges and reads files here
        upstream = nginx_upstream(folder, LOAD_CPU)
        started: list[Program] = [upstream]

        def pair(title: str, back: Program | None, front: Program | None) -> list[Row]:
            started.extend(one for one in (front, back) if one is not None)
            return [Row(title, front, back)] if front is not None and back is not None else []

        try:
            place = Place(folder, upstream.port, PROXY_CPU)
            second = nginx(place, name="nginx-2")
            first = None if second is None else nginx(replace(place, upstream=second.port))
            rows = pair("nginx", second, first)
            for title, links in (("weir", False), ("weir, linked", True)):
                back = incoming(place, f"incoming-{links}")
                more = f"links: {str(links).lower()}\n"
                front = gateway(f"edge-{links}", replace(place, upstream=back.port), more)
                rows += pair(title, back, front)
            figures: dict[tuple[str, str], list[Figure]] = {}
            for row in rows:
                row.measure(Shape("warm-up"), folder, min(arguments.seconds, 2))
            for _ in range(arguments.rounds):
                for connections in arguments.connections:
                    shape = Shape("GET, two hops", connections=connections)
                    for row in rows:
                        figure = row.measure(shape, folder, arguments.seconds)
                        figures.setdefault((figure.load, row.name), []).append(figure)
            return [median(rounds) for rounds in figures.values()]
        finally:
            for program in started:
                program.stop()


def main(argv: list[str]) -> int:
    """0 when every request was answered."""
    parser = argparse.ArgumentParser(prog="python -m bench hop", description=__doc__)
    parser.add_argument("--brief", action="store_true", help="once, for a moment")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32, 256])
    arguments = parser.parse_args(argv)
    if arguments.brief:
        arguments.seconds, arguments.rounds, arguments.connections = 1, 1, [32]
    for tool in ("wrk", "nginx", "taskset"):
        if shutil.which(tool) is None:
            sys.stderr.write(f"{tool} is needed and not on this machine: apt-get install {tool}\n")
            return 1
    figures = run(arguments)
    sys.stdout.write(show(figures) + "\n")
    return 1 if any(one.errors for one in figures if one.name.startswith("weir")) else 0
