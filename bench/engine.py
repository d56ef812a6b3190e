"""CPU per request of the gateway beside nginx and other proxies, in one run, interleaved.

The proxy has one CPU, the load generator (wrk) and the upstream share the other. CPU time is the
kernel's own account of the proxy's processes; absolute figures drift on shared machines, so every
figure stands beside nginx's of the same round.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench._measure import LOAD_CPU, PROXY_CPU, STREAM, measure, median, stream
from bench._peers import nginx as nginx_peer
from bench._peers import others, weirs
from bench._peers.place import HOST, Place
from bench._report import picture, show
from bench._shapes import SHAPES, Shape
from tests.kits.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench._measure import Figure
    from bench._peers.process import Program

_START_S: Final = 1.5  # of one program, with its warm-up

PEERS: Final[dict[str, Callable[[Place], Program | None]]] = {
    "nginx": nginx_peer.nginx,
    "weir": weirs.weir,
    "haproxy": others.haproxy,
    "envoy": others.envoy,
    "caddy": others.caddy,
    "python": others.python,
}


class Field:
    """All programs of one run, plain and with TLS."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.folder = folder
        self._arguments = arguments
        self._helpers = [nginx_peer.upstream(folder, LOAD_CPU)]
        self._place = Place(folder, self._helpers[0].port, PROXY_CPU)
        self.plain: list[Program] = []
        self.tls: list[Program] = []

    def start(self) -> None:
        """Start what this run needs; whoever is not on this machine is left out, and said so."""
        arguments, place = self._arguments, self._place
        shapes = [SHAPES[name] for name in arguments.shapes]
        if any(not shape.tls for shape in shapes) or arguments.stream or arguments.half:
            self._start(place, self.plain)
            if arguments.traced:
                sink = nginx_peer.sink(self.folder, LOAD_CPU)
                self._helpers.append(sink)
                self.plain.append(weirs.weir_traced(place, sink.port))
                traced = others.envoy_zipkin(place, sink.port)
                self.plain += [] if traced is None else [traced]
        if any(shape.tls for shape in shapes):
            files = Authority(self.folder).issue(HOST)
            self._start(replace(place, tls=files), self.tls)

    def _start(self, place: Place, programs: list[Program]) -> None:
        for peer in self._arguments.only or PEERS:
            started = PEERS[peer](place)
            if started is None:
                sys.stderr.write(f"{peer}: not on this machine, left out\n")
            else:
                programs.append(started)

    def stop(self) -> None:
        """End everything."""
        for program in (*self.plain, *self.tls, *self._helpers):
            program.stop()


def run(arguments: argparse.Namespace) -> list[Figure]:
    """All programs under all loads, interleaved round by round."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker drops privileges and reads files here
        field = Field(folder, arguments)
        try:
            field.start()
            return _rounds(field, arguments)
        finally:
            field.stop()


def _rounds(field: Field, arguments: argparse.Namespace) -> list[Figure]:
    figures: dict[tuple[str, str], list[Figure]] = {}
    seconds = arguments.seconds
    half: Shape | None = None

    def each(programs: Sequence[Program], shape: Shape) -> list[Figure]:
        found = [measure(program, shape, field.folder, seconds) for program in programs]
        for figure in found:
            figures.setdefault((figure.load, figure.name), []).append(figure)
        return found

    for program in field.plain:
        measure(program, Shape("warm-up"), field.folder, 1)
    for program in field.tls:
        measure(program, Shape("warm-up", tls=True), field.folder, 1)
    for number in range(arguments.rounds):
        sys.stderr.write(f"round {number + 1} of {arguments.rounds}\n")
        for name in arguments.shapes:
            each(field.tls if SHAPES[name].tls else field.plain, SHAPES[name])
        if arguments.half:
            if half is None:  # one rate for all programs and rounds
                first = measure(field.plain[0], SHAPES["1k"], field.folder, seconds)
                half = SHAPES["1k"].paced(max(100, int(first.requests_per_s / 200) * 100))
            each(field.plain, half)
        if arguments.stream:
            for program in field.plain:
                figures.setdefault((STREAM, program.name), []).append(stream(program))
    return [median(rounds) for rounds in figures.values()]


def estimate_s(arguments: argparse.Namespace) -> float:
    """How long a run takes, in seconds."""
    programs: int = len(arguments.only or PEERS) + 2 * arguments.traced
    starts: int = programs * (1 + any(SHAPES[name].tls for name in arguments.shapes))
    loads: int = len(arguments.shapes) + arguments.half + arguments.stream
    runs: int = programs * loads * arguments.rounds
    seconds: float = arguments.seconds + 0.5
    return starts * _START_S + runs * seconds


def _plain(figure: Figure) -> dict[str, object]:
    """JSON knows no NaN."""
    plain = asdict(figure)
    return {**plain, "cpu_us": None if math.isnan(figure.cpu_us) else figure.cpu_us}


def main(argv: list[str]) -> int:
    """0 when weir answered every request."""
    parser = argparse.ArgumentParser(prog="python -m bench engine", description=__doc__)
    parser.add_argument(
        "--brief", action="store_true", help="once, for a moment: does it still run?"
    )
    parser.add_argument("--seconds", type=int, default=3, help="of each program under a load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=["1k"])
    parser.add_argument("--half", action="store_true", help="latency at half of nginx's rate, too")
    parser.add_argument("--stream", action="store_true", help="1 GiB streamed, too")
    parser.add_argument("--traced", action="store_true", help="with tracing at 100 %%, too")
    parser.add_argument("--all", action="store_true", help="every shape, and all of the above")
    parser.add_argument("--only", nargs="+", choices=list(PEERS))
    parser.add_argument("--plot", type=Path, help="write the CPU figures as an SVG picture")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    if arguments.all:
        arguments.shapes = list(SHAPES)
        arguments.stream = arguments.half = arguments.traced = True
    if arguments.brief:
        arguments.seconds, arguments.rounds = 1, 1
    for tool in ("wrk", "nginx", "taskset", "curl"):
        if shutil.which(tool) is None:
            sys.stderr.write(f"{tool} is needed and not on this machine: apt-get install {tool}\n")
            return 1
    sys.stderr.write(f"this takes about {estimate_s(arguments) / 60:.1f} minutes\n")
    figures = run(arguments)
    if arguments.plot is not None:
        arguments.plot.write_text(picture(figures))
    if arguments.json:
        sys.stdout.write(json.dumps([_plain(one) for one in figures], indent=2) + "\n")
    else:
        sys.stdout.write(show(figures) + "\n")
    return 1 if any(one.errors for one in figures if one.name.startswith("weir")) else 0
