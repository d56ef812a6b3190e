"""The configuration files of the local system, as text.

What `weir up` writes into its state directory and runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weir.local.topology import ADMIN_PORT, INCOMING_PORT, NODES, OUTGOING_PORT, PODS, Node

if TYPE_CHECKING:
    from pathlib import Path

# The domain rules are the public's way in; the edge and every incoming router share them.
DOMAIN_RULES = """\
      /domain/world/hello/www  => /srv/hello ;
      /domain/world/hello/api  => /srv/api ;
      /domain/world/hello/echo => /srv/echo ;
      /host                    => /$/io.buoyant.http.domainToPathPfx/domain ;
"""
HOST_RULES = """\
      /host                    => /srv ;
      /host/world              => /srv/world-v1 ;
"""


def write_discovery(folder: Path) -> None:
    """One file a service, one line `address port` a pod."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {}
    for pod in PODS:
        lines.setdefault(pod.service, []).append(f"{pod.ip} {pod.port}\n")
    for stale in set(folder.iterdir()) - {folder / name for name in lines}:
        stale.unlink()
    for service, text in lines.items():
        (folder / service).write_text("".join(text), "utf-8")


def node_yaml(node: Node, discovery: Path, collector: str, sample_rate: float) -> str:
    """A node's Linkerd configuration."""
    return f"""\
# {node.name}: what a Linkerd 1.x DaemonSet pod would run, on {node.ip}
admin: {{ip: {node.ip}, port: {ADMIN_PORT}}}
telemetry:
- {{kind: io.weir.zipkin, url: "{collector}", sampleRate: {sample_rate}}}
namers:
- {{kind: io.l5d.fs, rootDir: "{discovery}"}}
routers:
- protocol: http
  label: outgoing
  upgrades: [websocket]
  dtab: |
      /srv                     => /#/io.l5d.fs ;
{HOST_RULES}\
      /svc                     => /host ;
  interpreter:
    kind: default
    transformers:
{_daemonset(6)}
  client: {{links: true}}
  service:
    responseClassifier: {{kind: io.l5d.http.retryableRead5XX}}
  servers:
  - {{ip: {node.ip}, port: {OUTGOING_PORT}}}
- protocol: http
  label: incoming
  upgrades: [websocket]
  dtab: |
      /srv                     => /#/io.l5d.fs ;
{DOMAIN_RULES}\
{HOST_RULES}\
      /svc                     => /host ;
  interpreter:
    kind: default
    transformers:
    - {{kind: io.weir.localnode, node: {node.ip}, pods: {node.pods}}}
  servers:
  - {{ip: {node.ip}, port: {INCOMING_PORT}, links: true}}
"""


def edge_yaml(
    *, ip: str, port: int, admin_port: int, discovery: Path, collector: str, sample_rate: float
) -> str:
    """The gateway's configuration: the tutorials' rules as they were meant."""
    return f"""\
# The gateway: what NGINX and Linkerd's ingress router did together
listener: {{ip: {ip}, port: {port}}}
admin: {{ip: 127.0.0.1, port: {admin_port}}}
hosts: [www.hello.world, api.hello.world, echo.hello.world]
dtab: |
      /srv                     => /#/io.l5d.fs ;
{DOMAIN_RULES}\
      /svc                     => /host ;
namers:
- {{kind: io.l5d.fs, rootDir: "{discovery}"}}
transformers:
{_daemonset(0)}
links: true
trust:
# A dogfood cookie: this request, and only this one, reaches the staged world.
- name: dogfood
  cookie: {{name: special_employee_cookie, equals: dogfood}}
  override: /host/world => /srv/world-v2
# An employee: may bring an l5d-dtab, context and a sample rate of his own.
- name: employee
  cookie: {{name: special_employee_cookie, equals: letmein}}
  may_override: true
  may_sample: true
tracing: {{collector: "{collector}", sample_rate: {sample_rate}}}
"""


def _daemonset(indent: int) -> str:
    margin = " " * indent
    nodes = ", ".join(f"{{ip: {node.ip}, pods: {node.pods}}}" for node in NODES)
    return f"{margin}- {{kind: io.weir.daemonset, port: {INCOMING_PORT}, nodes: [{nodes}]}}"
