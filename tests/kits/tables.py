"""Namers, resolvers and name trees out of JSON, for vectors and tests that need a small world."""

from collections.abc import Sequence
from ipaddress import ip_address
from math import inf
from typing import Any, Final

from dtab import (
    EMPTY,
    FAIL,
    NEG,
    ROOT,
    Alt,
    Leaf,
    NameTree,
    Path,
    Union,
    Weighted,
    fold,
    graft,
    read_path,
    read_tree,
)
from naming.bound import Bound
from naming.endpoint import Addr, AddrNeg, Endpoint, ReplicaSet
from naming.errors import NamingError
from naming.namer import Name
from naming.state import PENDING, Failed, Ok, State
from naming.watch import Always, Source, Watch


class TableNamer:
    """A namer that answers from a table of `{match, gives}`; the longest match decides."""

    def __init__(self, prefix: Path, entries: Sequence[dict[str, str]]) -> None:
        self._prefix: Final = prefix
        self._entries: Final = sorted(
            ((read_path(entry["match"]), entry) for entry in entries),
            key=lambda entry: -len(entry[0]),
        )

    @property
    def prefix(self) -> Path:
        return self._prefix

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        for match, entry in self._entries:
            if path.starts_with(match):
                return Always(self._answer(entry, match, path.drop(len(match))))
        return Always(Ok(NEG))

    def _answer(self, entry: dict[str, str], match: Path, rest: Path) -> State[NameTree[Name]]:
        match entry["gives"]:
            case "bound":
                addr: Watch[Addr] = Always(Ok(ReplicaSet((Endpoint("10.0.0.1", 80),))))
                return Ok(Leaf(Bound(self._prefix + match, rest, addr=addr)))
            case "tree":
                return Ok(graft(read_tree(entry["tree"]), rest))
            case "pending":
                return PENDING
            case "failed":
                return Failed(NamingError("the table says failed"))
            case other:
                constants: dict[str, NameTree[Name]] = {"neg": NEG, "fail": FAIL, "empty": EMPTY}
                return Ok(constants[other])


class TableResolver:
    """Hosts out of a table; a numeric address is itself, any other host does not exist."""

    def __init__(self, hosts: dict[str, Sequence[str]] | None = None) -> None:
        self._hosts: Final = hosts or {}

    def watch(self, host: str, port: int, *, fixed: bool = False) -> Watch[Addr]:
        del fixed
        try:
            ips: Sequence[str] = (str(ip_address(host)),)
        except ValueError:
            ips = self._hosts.get(host, ())
        if not ips:
            return Source[Addr](Ok(AddrNeg()))
        return Source[Addr](Ok(ReplicaSet(tuple(Endpoint(ip, port) for ip in ips))))


def tree_to_json(tree: NameTree[Any]) -> Any:
    """The vectors' JSON form of a tree of paths or bound names."""

    def leaf(value: Any) -> Any:
        if isinstance(value, Bound):
            return {"bound": {"id": str(value.id), "residual": str(value.residual)}}
        return {"leaf": str(value)}

    def node(tree: NameTree[Any], parts: Sequence[Any]) -> Any:
        if isinstance(tree, Alt):
            return {"alt": list(parts)}
        if isinstance(tree, Union):
            return {
                "union": [
                    {"weight": "Infinity" if w.weight == inf else w.weight, "tree": part}
                    for w, part in zip(tree.trees, parts, strict=True)
                ]
            }
        return {"~": "neg", "!": "fail", "$": "empty"}[str(tree)]

    return fold(tree, leaf, node)


def tree_from_json(value: Any) -> NameTree[Path]:
    """A tree of paths from the vectors' JSON form, also in shapes that no text gives."""
    match value:
        case "neg":
            return NEG
        case "fail":
            return FAIL
        case "empty":
            return EMPTY
        case {"leaf": text}:
            return Leaf(read_path(text) if text != "/" else ROOT)
        case {"alt": parts}:
            return Alt(tuple(tree_from_json(part) for part in parts))
        case {"union": parts}:
            return Union(
                tuple(
                    Weighted(float(part["weight"]), tree_from_json(part["tree"])) for part in parts
                )
            )
        case _:
            raise ValueError(f"no tree: {value!r}")
