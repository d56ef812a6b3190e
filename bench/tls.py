"""What TLS and the access log cost, beside nginx with the same: CPU of the proxy per request.

One certificate (P-256), TLS 1.3, keep-alive; then a new connection with a whole handshake for each
request. The proxy has one CPU, wrk and the upstream the other; rounds are interleaved.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench._peers.process import Program, free_port, start
from bench._peers.programs import _nginx, nginx_upstream
from bench._shapes import HEADERS
from bench.engine import LOAD_CPU, PROXY_CPU
from tests.kits.certificates import Authority


def _weir(name: str, folder: Path, upstream: int, more: str, listener: str = "") -> Program:
    port = free_port()
    names = folder / "names"
    names.mkdir(exist_ok=True)
    (names / "web").write_text(f"127.0.0.1 {upstream}\n")
    config = folder / f"{name}.yml"
    config.write_text(
        f"listener: {{ip: 127.0.0.1, port: {port}{listener}}}\n"
        f"admin: {{port: 0}}\nhosts: [www.hello.world]\n"
        f"dtab: /svc/www.hello.world => /#/io.l5d.fs/web\n"
        f"namers: [{{kind: io.l5d.fs, rootDir: {names}}}]\n{more}"
    )
    command = [sys.executable, "-m", "weir", "edge", str(config)]
    return start(name, command, port, PROXY_CPU, folder / f"{name}.log")


def _nginx_front(name: str, folder: Path, upstream: int, tls: str, log: str) -> Program:
    port = free_port()
    text = f"""
  upstream l5d {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096{" ssl" if tls else ""};
    {tls}
    {log}
    location / {{
      proxy_set_header Host $host;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://l5d;
    }}
  }}"""
    config = folder / f"{name}.conf"
    config.write_text(_nginx(folder, text))
    return start(name, ["nginx", "-c", str(config)], port, PROXY_CPU, folder / f"{name}.log")


def programs(folder: Path, upstream: int) -> list[Program]:
    """Everything under measurement."""
    files = Authority(folder).issue("www.hello.world")
    certificate = f", tls: {{certificates: [{{cert: {files.chain}, key: {files.key}}}]}}"
    tls = f"ssl_certificate {files.chain}; ssl_certificate_key {files.key};"
    tls += " ssl_protocols TLSv1.3; ssl_session_tickets off;"
    log = f"access_log: {{path: {folder}/weir.access, format: combined}}\n"
    return [
        _nginx_front("nginx", folder, upstream, "", ""),
        _nginx_front("nginx-log", folder, upstream, "", f"access_log {folder}/nginx.access;"),
        _nginx_front("nginx-tls", folder, upstream, tls, ""),
        _weir("weir", folder, upstream, ""),
        _weir("weir-log", folder, upstream, log),
        _weir("weir-log-json", folder, upstream, log.replace("combined", "json")),
        _weir("weir-tls", folder, upstream, "", certificate),
    ]


def measure(program: Program, connections: int, seconds: float, *, close: bool) -> float:
    """CPU microseconds of the proxy for one request."""
    scheme = "https" if program.name.endswith("tls") else "http"
    headers = (*HEADERS, *(("Connection: close",) if close else ()))
    command = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s"]
    command += [part for line in headers for part in ("-H", line)]
    before = program.cpu_s()
    url = f"{scheme}://127.0.0.1:{program.port}/"
    done = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    spent = program.cpu_s() - before
    if "Non-2xx" in done:
        raise RuntimeError(done)
    return spent / int(done.partition(" requests in")[0].split()[-1]) * 1e6


def main(argv: list[str]) -> int:
    """Print the medians, and their ratios to nginx with the same."""
    parser = argparse.ArgumentParser(prog="python -m bench tls")
    parser.add_argument("--brief", action="store_true", help="one short round")
    arguments = parser.parse_args(argv)
    rounds, seconds = (1, 1.0) if arguments.brief else (3, 4.0)
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        upstream = nginx_upstream(folder, LOAD_CPU)
        running = programs(folder, upstream.port)
        try:
            for _ in range(rounds):
                for program in running:
                    for load, close in (("keep-alive", False), ("handshake", True)):
                        cpu_us = measure(program, 32, seconds, close=close)
                        found.setdefault((load, program.name), []).append(cpu_us)
        finally:
            for program in [*running, upstream]:
                program.stop()
    for (load, what), values in found.items():
        nginx = what.replace("weir", "nginx").replace("-json", "")
        ratio = statistics.median(values) / statistics.median(found[load, nginx])
        sys.stdout.write(f"{load:12}{what:16}{statistics.median(values):8.1f} us{ratio:8.2f} x\n")
    return 0
