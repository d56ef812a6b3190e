"""What an access log costs, beside nginx with the same: CPU of the proxy per request."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench._measure import LOAD_CPU, PROXY_CPU, Figure, measure, median
from bench._peers.nginx import nginx
from bench._peers.nginx import upstream as nginx_upstream
from bench._peers.place import Place
from bench._peers.weirs import gateway
from bench._report import show
from bench._shapes import Shape


def main(argv: list[str]) -> int:
    """Print the medians, and their ratios to nginx with the same."""
    parser = argparse.ArgumentParser(prog="python -m bench access_log", description=__doc__)
    parser.add_argument("--brief", action="store_true", help="one short round")
    arguments = parser.parse_args(argv)
    rounds, seconds = (1, 1) if arguments.brief else (3, 4)
    figures: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker drops privileges
        upstream = nginx_upstream(folder, LOAD_CPU)
        place = Place(folder, upstream.port, PROXY_CPU)
        log = f"access_log: {{path: {folder}/weir.access, format: combined}}\n"
        programs = [
            nginx(place),
            nginx(place, f"access_log {folder}/nginx.access;", "nginx, log"),
            gateway("weir", place, ""),
            gateway("weir, log", place, log),
            gateway("weir, JSON", place, log.replace("combined", "json")),
        ]
        running = [program for program in programs if program is not None]
        try:
            for _ in range(rounds):
                for program in running:
                    figure = measure(program, Shape("GET"), folder, seconds)
                    figures.setdefault(program.name, []).append(figure)
        finally:
            for program in (*running, upstream):
                program.stop()
    sys.stdout.write(show([median(each) for each in figures.values()]) + "\n")
    return 0
