"""The system on one machine.

Two nodes, their pods, the gateway and the collector, each at a loopback address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OUTGOING_PORT: Final = 4140
INCOMING_PORT: Final = 4141
ADMIN_PORT: Final = 9990


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster, played by a loopback address."""

    name: str
    ip: str
    pods: str  # CIDR of its pods' addresses


@dataclass(frozen=True, slots=True)
class Pod:
    """One instance of a service."""

    service: str
    number: int
    ip: str
    port: int
    node: Node
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """`hello-1`."""
        return f"{self.service}-{self.number}"


NODES: Final = (
    Node("node-1", "127.0.0.11", "127.0.1.0/25"),
    Node("node-2", "127.0.0.12", "127.0.1.128/25"),
)


def _pods() -> tuple[Pod, ...]:
    one, two = NODES
    hello = ("helloworld", "-text=Hello", "-target=world")
    world = ("helloworld",)
    api = ("helloworld", "-text=api", "-target=hello", "-json")
    return (
        Pod("hello", 1, "127.0.1.1", 7777, one, hello),
        Pod("hello", 2, "127.0.1.129", 7777, two, hello),
        Pod("world-v1", 1, "127.0.1.2", 7778, one, world, (("TARGET_WORLD", "world"),)),
        Pod("world-v1", 2, "127.0.1.130", 7778, two, world, (("TARGET_WORLD", "world"),)),
        Pod("world-v2", 1, "127.0.1.131", 7778, two, world, (("TARGET_WORLD", "earth"),)),
        Pod("api", 1, "127.0.1.3", 7779, one, api),
        Pod("echo", 1, "127.0.1.132", 7780, two, ("echo",)),
    )


PODS: Final = _pods()
