"""Real servers of other projects, started by the tests that ask them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.kits.running import free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_nginx = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="no nginx: apt-get install nginx"
)
needs_haproxy = pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="no haproxy: apt-get install haproxy"
)


@contextlib.contextmanager
def nginx(folder: Path, upstream: int, *, websockets: bool = False) -> Iterator[int]:
    """The real nginx, with its own defaults, in front of a port of loopback; yields its port."""
    port = free_port()
    connection = '""'
    upgrade = ""
    if websockets:
        connection = "upgrade"
        upgrade = "proxy_set_header Upgrade $http_upgrade;"
    file = folder / f"nginx-{port}.conf"
    file.write_text(f"""
daemon off;
worker_processes 1;
pid {folder}/nginx-{port}.pid;
error_log stderr crit;
events {{ worker_connections 1000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b{port};
  proxy_temp_path {folder}/p{port};
  fastcgi_temp_path {folder}/f{port};
  uwsgi_temp_path {folder}/u{port};
  scgi_temp_path {folder}/s{port};
  upstream behind {{ server 127.0.0.1:{upstream}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Connection {connection};
      {upgrade}
      proxy_pass http://behind;
    }}
  }}
}}
""")
    with _running(["nginx", "-e", "stderr", "-c", str(file)], port, folder / f"nginx-{port}.log"):
        yield port


@contextlib.contextmanager
def haproxy(folder: Path, upstream: int) -> Iterator[int]:
    """The real HAProxy, with its own defaults, in front of a port of loopback; yields its port."""
    port = free_port()
    file = folder / f"haproxy-{port}.cfg"
    file.write_text(f"""
global
  nbthread 1
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout http-request 60s
  http-reuse never
frontend public
  bind 127.0.0.1:{port}
  default_backend behind
backend behind
  server one 127.0.0.1:{upstream}
""")
    with _running(["haproxy", "-f", str(file)], port, folder / f"haproxy-{port}.log"):
        yield port


@contextlib.contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def listens() -> bool:
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(listens)
        yield
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
