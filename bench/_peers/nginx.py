"""nginx: what proxies forward to, what takes spans, and the proxy that others are measured by."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench._peers.process import Program, free_port, start

if TYPE_CHECKING:
    from bench._peers.place import Place

MODULE = Path("/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so")
_numbers = itertools.count()


def configuration(folder: Path, http: str) -> str:
    """A whole file around an http block's content."""
    module = f"load_module {MODULE};\n" if MODULE.exists() else ""
    return f"""{module}daemon off;
worker_processes 1;
pid {folder}/nginx-{next(_numbers)}.pid;
error_log stderr error;
events {{ worker_connections 19000; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder};
  proxy_temp_path {folder};
  fastcgi_temp_path {folder};
  uwsgi_temp_path {folder};
  scgi_temp_path {folder};
{http}
}}
"""


def run(name: str, folder: Path, port: int, cpu: int, http: str) -> Program:
    """Start one."""
    config = folder / f"{name}.conf"
    config.write_text(configuration(folder, http))
    return start(name, ["nginx", "-c", str(config)], port, cpu, folder / f"{name}.log")


def upstream(folder: Path, cpu: int) -> Program:
    """Answers of several sizes, from memory."""
    port = free_port()
    root = folder / "files"
    root.mkdir(exist_ok=True)
    for name, size in (("0b", 0), ("1k", 1_024), ("100k", 102_400), ("1g", 2**30)):
        with (root / name).open("wb") as file:
            file.truncate(size)
    return run(
        "upstream",
        folder,
        port,
        cpu,
        f"""
  client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {root};
    location = / {{ return 200 "Hello world\\n"; }}
    location = /post {{ return 200 "ok\\n"; }}
  }}""",
    )


def sink(folder: Path, cpu: int) -> Program:
    """Takes spans, and forgets them."""
    port = free_port()
    server = f"server {{ listen 127.0.0.1:{port}; location / {{ return 202; }} }}"
    return run("sink", folder, port, cpu, f"client_max_body_size 0;\n{server}")


def nginx(place: Place, more: str = "", name: str = "nginx") -> Program | None:
    """With headers-more and the tutorials' rules; None where the module is missing."""
    if shutil.which("nginx") is None or not MODULE.exists():
        return None
    port = free_port()
    tls = ""
    if place.tls is not None:
        tls = f"""
    ssl_certificate {place.tls.chain};
    ssl_certificate_key {place.tls.key};
    ssl_protocols TLSv1.3;
    ssl_session_tickets off;"""
    http = f"""
  client_max_body_size 0;
  upstream l5d {{
    server 127.0.0.1:{place.upstream};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096{" ssl" if tls else ""};
    server_name www.hello.world;{tls}
    {more}
    location / {{
      if ($cookie_special_employee_cookie != "letmein") {{
        more_clear_input_headers 'l5d-ctx-*' 'l5d-dtab' 'l5d-sample';
      }}
      set $xheader "";
      if ($cookie_special_employee_cookie ~* "dogfood") {{
        set $xheader "/host/world => /srv/world-v2;";
      }}
      proxy_set_header 'l5d-dtab' $xheader;
      proxy_set_header Host $host;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_max_temp_file_size 0;  # a large body would go through the disk
      proxy_pass http://l5d;
    }}
  }}"""
    started = run(place.name(name), place.folder, port, place.cpu, http)
    started.name = name
    return started
