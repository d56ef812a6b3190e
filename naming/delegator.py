"""The delegator's JSON: a delegation tree as `/delegator.json` and namerd answer it."""

from math import inf
from typing import Any, Final, assert_never

from dtab import Dentry
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
from naming.errors import NamingError
from naming.state import Failed, Ok, Pending, State
from naming.walk import Part, need, need_all, walk

# Each node repeats its entry, so a long one that many nodes come from would make gigabytes.
CHARACTERS_MAX: Final = 16_000_000
# What an endpoint takes, less its metadata.
_ENDPOINT_CHARACTERS: Final = 48


class TextExceeded(NamingError):
    """The delegation tree would be longer than anyone reads."""

    def __init__(self, characters_max: int) -> None:
        super().__init__(f"Max delegation text: {characters_max} characters reached")


def to_json(tree: Delegation, *, characters_max: int = CHARACTERS_MAX) -> dict[str, Any]:
    """The tree as JSON values, keys in Linkerd's order; what is absent is left out.

    Raises: TextExceeded.
    """
    return walk(_Writing(characters_max).node(tree))


class _Writing:
    """One tree on its way to JSON."""

    __slots__ = ("_characters_left", "_characters_max", "_dentries")

    def __init__(self, characters_max: int) -> None:
        self._characters_max: Final = characters_max
        self._characters_left = characters_max
        self._dentries: Final[dict[int, dict[str, str]]] = {}  # by identity: equality is slow

    def node(self, tree: Delegation) -> Part[dict[str, Any]]:
        path = tree.shown_path
        self._count(len(path))
        node: dict[str, Any] = {"type": _TYPES[type(tree)], "path": path}
        if tree.dentry is not None and not isinstance(tree, Transformation):
            node["dentry"] = self._dentry(tree.dentry)
        match tree:
            case Step():
                node["delegate"] = yield from need(self.node(tree.tree))
            case Choice():
                node["alt"] = yield from need_all([self.node(part) for part in tree.trees])
            case Split():
                nodes = yield from need_all([self.node(part) for _, part in tree.trees])
                node["union"] = [
                    {"weight": "Infinity" if weight == inf else weight, "tree": part}
                    for (weight, _), part in zip(tree.trees, nodes, strict=True)
                ]
            case BoundEnd():
                node["bound"] = self._bound(tree.bound)
            case BrokenEnd():
                node["message"] = str(tree.error)
            case Transformation():
                node["name"] = tree.kind
                node["bound"] = self._bound(tree.bound)
                node["tree"] = yield from need(self.node(tree.tree))
            case NegEnd() | FailEnd() | EmptyEnd():
                pass
            case _:
                assert_never(tree)
        return node

    def _dentry(self, dentry: Dentry) -> dict[str, str]:
        shown = self._dentries.get(id(dentry))
        if shown is None:
            shown = {"prefix": str(dentry.prefix), "dst": str(dentry.dst)}
            self._dentries[id(dentry)] = shown
        self._count(sum(map(len, shown.values())))
        return shown

    def _bound(self, bound: Bound) -> dict[str, Any]:
        shown = bound_to_json(bound)
        self._count(_ENDPOINT_CHARACTERS * len(shown["addr"].get("addrs", ())))
        return shown

    def _count(self, characters: int) -> None:
        self._characters_left -= characters
        if self._characters_left < 0:
            raise TextExceeded(self._characters_max)


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
