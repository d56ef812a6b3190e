"""Transformers: what is done to bound names behind the dtab. All are pure."""

from naming.transformers.hosts import HostsTransformer, localhost, specific_host
from naming.transformers.nodes import (
    DaemonsetTransformer,
    K8sDaemonsetTransformer,
    LocalnodeTransformer,
    Node,
    NodeLocalTransformer,
    SubnetLocalTransformer,
)
from naming.transformers.port import PortTransformer
from naming.transformers.substitutes import ConstTransformer, ReplaceTransformer

__all__ = [
    "ConstTransformer",
    "DaemonsetTransformer",
    "HostsTransformer",
    "K8sDaemonsetTransformer",
    "LocalnodeTransformer",
    "Node",
    "NodeLocalTransformer",
    "PortTransformer",
    "ReplaceTransformer",
    "SubnetLocalTransformer",
    "localhost",
    "specific_host",
]
