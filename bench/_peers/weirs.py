"""weir itself, as a gateway and as a router of the mesh."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench._peers.process import Program, free_port, start

if TYPE_CHECKING:
    from bench._peers.place import Place


def weir(place: Place) -> Program:
    """The gateway with its policy, metrics on, no sampling."""
    return gateway("weir", place, "")


def weir_traced(place: Place, collector: int) -> Program:
    """The gateway with both spans of every request exported."""
    tracing = f'tracing: {{collector: "http://127.0.0.1:{collector}", sample_rate: 1.0}}\n'
    return gateway("weir+zipkin", place, tracing)


def gateway(name: str, place: Place, more: str) -> Program:
    """The gateway with the tutorials' rules, and more of its file."""
    port = free_port()
    file_name = place.name(name)
    discovery = place.folder / f"discovery-{file_name}"
    discovery.mkdir(exist_ok=True)
    (discovery / "hello").write_text(f"127.0.0.1 {place.upstream}\n")
    tls = ""
    if place.tls is not None:
        files = f"{{cert: {place.tls.chain}, key: {place.tls.key}}}"
        tls = f", tls: {{min_version: TLSv1.3, certificates: [{files}]}}"
    config = place.folder / f"{file_name}.yml"
    config.write_text(f"""
listener: {{ip: 127.0.0.1, port: {port}, bounds: {{requests_max: 10000000}}{tls}}}
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
{more}""")
    command = [sys.executable, "-m", "weir", "edge", str(config)]
    return start(name, command, port, place.cpu, place.folder / f"{file_name}.log")


def incoming(place: Place, name: str) -> Program:
    """A router of the mesh before the upstream; it offers links."""
    port = free_port()
    discovery = place.folder / "discovery"
    discovery.mkdir(exist_ok=True)
    (discovery / "behind").write_text(f"127.0.0.1 {place.upstream}\n")
    config = place.folder / f"{name}.yaml"
    config.write_text(f"""
admin: {{port: 0}}
namers:
- {{kind: io.l5d.fs, rootDir: "{discovery}"}}
routers:
- protocol: http
  label: incoming
  dtab: /svc => /#/io.l5d.fs/behind
  servers:
  - {{ip: 127.0.0.1, port: {port}, links: true}}
""")
    command = [sys.executable, "-m", "weir", "mesh", str(config)]
    return start(name, command, port, place.cpu, place.folder / f"{name}.log")
