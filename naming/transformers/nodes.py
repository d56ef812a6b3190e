"""Node by node: replace endpoints by their node's gateway, or keep those of one node.

An endpoint is told to be on a node by its subnet, by the node's name in its metadata, or by the
range of addresses that the node gives to its pods.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from dtab import Path
from naming.derived import Computed, Derived
from naming.endpoint import Addr, AddrNeg, Endpoint, ReplicaSet
from naming.state import Ok, State
from naming.transformers.addresses import (
    AddressTransformer,
    FilteringTransformer,
    SetTransformer,
    without_repeats,
)
from naming.watch import Watch

# The metadata key under which Kubernetes namers note an endpoint's node.
NODE_NAME: Final = "nodeName"


def same_subnet(a: str, b: str) -> bool:
    """Whether two IPv4 addresses agree in their first 24 bits; an IPv6 address never does."""
    left, right = _ip4(a), _ip4(b)
    return left is not None and right is not None and int(left) >> 8 == int(right) >> 8


def same_node(a: Endpoint, b: Endpoint) -> bool:
    """Whether two endpoints name the same node; two that name none agree."""
    return dict(a.meta).get(NODE_NAME) == dict(b.meta).get(NODE_NAME)


def _ip4(text: str) -> IPv4Address | None:
    try:
        ip = ip_address(text)
    except ValueError:
        return None
    return ip if isinstance(ip, IPv4Address) else None


class K8sDaemonsetTransformer(AddressTransformer):
    """`io.l5d.k8s.daemonset`: each endpoint becomes the gateways on its node.

    Shape: `gateways` are the endpoints of the daemonset's service, watched by the caller. The
    gateways' own weights and metadata are used.
    """

    def __init__(
        self,
        service: Path,
        gateways: Watch[Addr],
        *,
        host_network: bool,
        prefix: Path | None = None,
    ) -> None:
        super().__init__((prefix or Path.of("%", "io.l5d.k8s.daemonset")) + service)
        self._gateways: Final = gateways
        self._host_network: Final = host_network

    def watch(self, addr: Watch[Addr]) -> Watch[Addr]:
        """The gateways of a watch's endpoints; it follows both."""

        def compute() -> Computed[Addr]:
            return self._through(addr.state), (addr, self._gateways)

        return Derived(compute)

    def _through(self, state: State[Addr]) -> State[Addr]:
        gateways = self._gateways.state
        if not isinstance(state, Ok) or isinstance(state.value, AddrNeg):
            return state
        if not isinstance(gateways, Ok):
            return gateways
        if isinstance(gateways.value, AddrNeg):
            return gateways
        near = [
            gateway
            for endpoint in state.value.endpoints
            for gateway in gateways.value.endpoints
            if self._is_near(endpoint, gateway)
        ]
        return Ok(ReplicaSet(without_repeats(near)) if near else AddrNeg())

    def _is_near(self, endpoint: Endpoint, gateway: Endpoint) -> bool:
        if self._host_network:
            return same_node(endpoint, gateway)
        return same_subnet(endpoint.ip, gateway.ip)


class SubnetLocalTransformer(FilteringTransformer):
    """`io.l5d.k8s.localnode`: endpoints in the /24 of this pod's address."""

    kind = "SubnetLocalTransformer"

    def __init__(self, pod_ip: str, prefix: Path | None = None) -> None:
        super().__init__((prefix or Path.of("%", "io.l5d.k8s.localnode")) + Path.of(pod_ip))
        self._pod_ip: Final = pod_ip

    def keeps(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint is in this pod's subnet."""
        return same_subnet(endpoint.ip, self._pod_ip)


class NodeLocalTransformer(FilteringTransformer):
    """`io.l5d.k8s.localnode` with hostNetwork: endpoints that name this node."""

    # The original's own spelling.
    kind = "MetadataFiltertingNameTreeTransformer"

    def __init__(self, node: str, prefix: Path | None = None) -> None:
        super().__init__((prefix or Path.of("%", "io.l5d.k8s.localnode")) + Path.of(node))
        self._node: Final = node

    def keeps(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint's metadata names this node."""
        return dict(endpoint.meta).get(NODE_NAME) == self._node


@dataclass(frozen=True, slots=True)
class Node:
    """A node: where its gateway listens, and the range of its pods' addresses."""

    ip: str
    pods: IPv4Network | IPv6Network

    @classmethod
    def of(cls, ip: str, pods: str) -> "Node":
        """A node from text. Raises: ValueError for a range that is none."""
        return cls(ip, ip_network(pods))

    def holds(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint's address is one of this node's pods."""
        return _within(endpoint.ip, self.pods)


def _within(ip: str, pods: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(ip) in pods
    except ValueError:
        return False


class DaemonsetTransformer(SetTransformer):
    """`io.weir.daemonset`: each endpoint becomes the gateway port of the node that holds it."""

    def __init__(self, nodes: Sequence[Node], port: int, prefix: Path | None = None) -> None:
        super().__init__((prefix or Path.of("%", "io.weir.daemonset")) + Path.of(str(port)))
        self._nodes: Final = tuple(nodes)
        self._port: Final = port

    def replicas(self, replicas: ReplicaSet) -> Addr:
        """The gateways; an endpoint that no node holds is dropped, equal results merge."""
        gateways = [
            Endpoint(node.ip, self._port)
            for endpoint in replicas.endpoints
            for node in self._nodes
            if node.holds(endpoint)
        ]
        return ReplicaSet(without_repeats(gateways)) if gateways else AddrNeg()


class LocalnodeTransformer(FilteringTransformer):
    """`io.weir.localnode`: endpoints in the range of this node's pods."""

    kind = "SubnetLocalTransformer"

    def __init__(self, pods: str, node: str, prefix: Path | None = None) -> None:
        super().__init__((prefix or Path.of("%", "io.weir.localnode")) + Path.of(node))
        self._pods: Final = ip_network(pods)

    def keeps(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint is one of this node's pods."""
        return _within(endpoint.ip, self._pods)
