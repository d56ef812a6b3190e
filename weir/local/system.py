"""The whole system on one machine: which processes, in which order, at which addresses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weir.local.configs import edge_yaml, node_yaml, write_discovery
from weir.local.supervisor import Child, Supervisor, in_use
from weir.local.topology import ADMIN_PORT, INCOMING_PORT, NODES, OUTGOING_PORT, PODS

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"
PUBLIC_PORT: Final = 80
UNPRIVILEGED_PORT: Final = 8080
START_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `weir up` was asked for. edge_port None: 80, or 8080 where 80 may not be bound."""

    state_dir: Path
    edge_port: int | None = None
    collector_port: int = 9411
    edge_admin_port: int = 9992
    sample_rate: float = 1.0


class LocalSystem:
    """Two nodes with a mesh process each, seven pods, the collector and the gateway."""

    def __init__(self, options: Options) -> None:
        self.options = options
        state = options.state_dir
        self._configs = state / "config"
        self._discovery = state / "discovery"
        self._ready = state / "ready"
        for folder in (self._configs, self._discovery, self._ready, state / "logs"):
            folder.mkdir(parents=True, exist_ok=True)
        self.supervisor = Supervisor(state / "logs")
        self.notes: list[str] = []
        self.collector_url = f"http://{LOOPBACK}:{options.collector_port}"
        self.edge_url = ""
        self._edge_port = self._choose_edge_port()
        self._collector, self._edge = self._collector_child(), self._edge_child()
        self._children = [self._collector, *self._nodes(), *self._pods(), self._edge]

    @property
    def children(self) -> list[Child]:
        """Every process, in the order in which they are shown."""
        return self._children

    def _choose_edge_port(self) -> int:
        wanted = self.options.edge_port
        if wanted is not None:
            return wanted
        problem = in_use(LOOPBACK, PUBLIC_PORT)
        if problem is None:
            return PUBLIC_PORT
        self.notes.append(
            f"port {PUBLIC_PORT} cannot be bound ({problem}), "
            f"so the gateway listens on {UNPRIVILEGED_PORT}"
        )
        return UNPRIVILEGED_PORT

    def taken_addresses(self) -> list[str]:
        """A line for each address that something else listens on."""
        wanted = [(LOOPBACK, self._edge_port, "the gateway (--edge-port chooses another)")]
        wanted.append(
            (
                LOOPBACK,
                self.options.collector_port,
                "the collector (--collector-port chooses another)",
            )
        )
        wanted.append(
            (LOOPBACK, self.options.edge_admin_port, "the gateway's admin (--edge-admin-port)")
        )
        for node in NODES:
            wanted += [
                (node.ip, OUTGOING_PORT, f"{node.name}, outgoing router"),
                (node.ip, INCOMING_PORT, f"{node.name}, incoming router"),
                (node.ip, ADMIN_PORT, f"{node.name}, admin"),
            ]
        wanted += [(pod.ip, pod.port, pod.name) for pod in PODS]
        problems = [(ip, port, what, in_use(ip, port)) for ip, port, what in wanted if port]
        return [
            f"{ip}:{port} is needed by {what}: {problem}"
            for ip, port, what, problem in problems
            if problem is not None
        ]

    def _collector_child(self) -> Child:
        ready = self._ready / "collector.json"
        port = self.options.collector_port
        return Child(
            "collector",
            "traces",
            f"{LOOPBACK}:{port}",
            (
                "weir",
                "collector",
                f"--state-dir={self.options.state_dir / 'spans'}",
                f"--http-port={port}",
                f"--host={LOOPBACK}",
                f"--ready-file={ready}",
            ),
            ready_file=ready,
        )

    def _nodes(self) -> list[Child]:
        children = []
        write_discovery(self._discovery)
        for node in NODES:
            config = self._configs / f"{node.name}.yml"
            text = node_yaml(node, self._discovery, self.collector_url, self.options.sample_rate)
            config.write_text(text, "utf-8")
            ready = self._ready / f"{node.name}.json"
            children.append(
                Child(
                    node.name,
                    "mesh",
                    f"{node.ip}:{OUTGOING_PORT}",
                    ("weir", "mesh", str(config), f"--ready-file={ready}"),
                    ready_file=ready,
                )
            )
        return children

    def _pods(self) -> list[Child]:
        return [
            Child(
                pod.name,
                f"pod on {pod.node.name}",
                f"{pod.ip}:{pod.port}",
                ("demo", pod.arguments[0], f"-addr={pod.ip}:{pod.port}", *pod.arguments[1:]),
                {
                    "POD_IP": pod.ip,
                    "NODE_NAME": pod.node.ip,
                    "http_proxy": f"http://{pod.node.ip}:{OUTGOING_PORT}",
                    **dict(pod.environment),
                },
            )
            for pod in PODS
        ]

    def _edge_child(self) -> Child:
        config = self._configs / "edge.yml"
        config.write_text(
            edge_yaml(
                ip=LOOPBACK,
                port=self._edge_port,
                admin_port=self.options.edge_admin_port,
                discovery=self._discovery,
                collector=self.collector_url,
                sample_rate=self.options.sample_rate,
            ),
            "utf-8",
        )
        ready = self._ready / "edge.json"
        return Child(
            "edge",
            "gateway",
            f"{LOOPBACK}:{self._edge_port}",
            ("weir", "edge", str(config), f"--ready-file={ready}"),
            ready_file=ready,
        )

    async def start(self) -> None:
        """Start everything at once and wait until all of it answers. Raises: StartError."""
        await self.supervisor.start(self._children, START_TIMEOUT_S)
        port = self._edge.ports["public"]
        self._edge.address = f"{LOOPBACK}:{port}"
        self.edge_url = f"http://{LOOPBACK}" + ("" if port == PUBLIC_PORT else f":{port}")

    async def stop(self) -> None:
        """End everything."""
        await self.supervisor.stop()

    def ready_facts(self) -> dict[str, Any]:
        """What the ready file says."""
        return {
            "edge": self.edge_url,
            "collector": self.collector_url,
            "nodes": [
                {
                    "ip": node.ip,
                    "outgoing": OUTGOING_PORT,
                    "incoming": INCOMING_PORT,
                    "admin": ADMIN_PORT,
                }
                for node in NODES
            ],
            "pids": {child.name: child.pid for child in self._children},
            "pid": os.getpid(),
        }
