"""The delegator's JSON: a delegation tree as `/delegator.json` and namerd answer it."""

from math import inf
from typing import Any, assert_never

from naming.bound import Bound
from naming.delegation import (
    BoundEnd,
    BrokenEnd,
    Choice,
    Delegation,
    EmptyEnd,
    FailEnd,
    NegEnd,
    Split,
    Step,
    Transformation,
)
from naming.endpoint import Addr, AddrNeg, Endpoint
from naming.state import Failed, Ok, Pending, State
from naming.walk import Part, need, need_all, walk


def to_json(tree: Delegation) -> dict[str, Any]:
    """The tree as JSON values, keys in Linkerd's order; what is absent is left out."""
    return walk(_node(tree))


def _node(tree: Delegation) -> Part[dict[str, Any]]:
    node: dict[str, Any] = {"type": _TYPES[type(tree)], "path": tree.shown_path}
    if tree.dentry is not None and not isinstance(tree, Transformation):
        node["dentry"] = {"prefix": str(tree.dentry.prefix), "dst": str(tree.dentry.dst)}
    match tree:
        case Step():
            node["delegate"] = yield from need(_node(tree.tree))
        case Choice():
            node["alt"] = yield from need_all([_node(part) for part in tree.trees])
        case Split():
            nodes = yield from need_all([_node(part) for _, part in tree.trees])
            node["union"] = [
                {"weight": "Infinity" if weight == inf else weight, "tree": part}
                for (weight, _), part in zip(tree.trees, nodes, strict=True)
            ]
        case BoundEnd():
            node["bound"] = bound_to_json(tree.bound)
        case BrokenEnd():
            node["message"] = str(tree.error)
        case Transformation():
            node["name"] = tree.kind
            node["bound"] = bound_to_json(tree.bound)
            node["tree"] = yield from need(_node(tree.tree))
        case NegEnd() | FailEnd() | EmptyEnd():
            pass
        case _:
            assert_never(tree)
    return node


_TYPES = {
    NegEnd: "neg",
    FailEnd: "fail",
    EmptyEnd: "empty",
    BoundEnd: "leaf",
    BrokenEnd: "exception",
    Step: "delegate",
    Choice: "alt",
    Split: "union",
    Transformation: "transformation",
}


def bound_to_json(bound: Bound) -> dict[str, Any]:
    """A bound name: its addresses now, its id, its residual."""
    return {
        "addr": addr_to_json(bound.addr.state),
        "id": str(bound.id),
        "path": str(bound.residual),
    }


def addr_to_json(state: State[Addr]) -> dict[str, Any]:
    """What is known of a name's addresses."""
    match state:
        case Ok(addr):
            if isinstance(addr, AddrNeg):
                return {"type": "neg"}
            addrs = [_endpoint(endpoint) for endpoint in addr.endpoints]
            return {"type": "bound", "addrs": addrs, "meta": dict(addr.meta)}
        case Pending():
            return {"type": "pending"}
        case Failed(error):
            return {"type": "failed", "cause": str(error)}
    assert_never(state)


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {"ip": endpoint.ip, "port": endpoint.port, "meta": dict(endpoint.meta)}
