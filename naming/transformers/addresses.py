"""The base of all transformers that only map addresses."""

from abc import ABC, abstractmethod
from typing import Final
from weakref import WeakValueDictionary

from dtab import Path
from naming.bound import Bound
from naming.derived import mapped
from naming.endpoint import Addr, AddrNeg, Endpoint, ReplicaSet
from naming.watch import Watch


class AddressTransformer(ABC):
    """Puts a prefix before each id and maps each replica set.

    Shape: one watch for each watch given, while anyone holds it, so that all names that share
    addresses share the mapped ones too.
    """

    # The class name that Linkerd's delegator shows.
    kind: str = "DelegatingNameTreeTransformer$"

    def __init__(self, prefix: Path) -> None:
        self._prefix: Final = prefix
        # By the address of the watch given: the mapped watch keeps it alive.
        self._mapped: Final[WeakValueDictionary[int, Watch[Addr]]] = WeakValueDictionary()

    def transform(self, bound: Bound) -> Bound:
        """The bound name with the prefix before its id and its addresses mapped."""
        addr = self._mapped.get(id(bound.addr))
        if addr is None:
            addr = self._mapped[id(bound.addr)] = self.watch(bound.addr)
        return Bound(self._prefix + bound.id, bound.residual, addr=addr)

    @abstractmethod
    def watch(self, addr: Watch[Addr]) -> Watch[Addr]:
        """The mapped addresses of a watch."""


class SetTransformer(AddressTransformer):
    """Maps each replica set by itself; neg stays neg."""

    def watch(self, addr: Watch[Addr]) -> Watch[Addr]:
        """The mapped addresses of a watch."""
        return mapped(addr, self._map)

    def _map(self, addr: Addr) -> Addr:
        if isinstance(addr, AddrNeg):
            return addr
        return self.replicas(addr)

    @abstractmethod
    def replicas(self, replicas: ReplicaSet) -> Addr:
        """The mapped set."""


class FilteringTransformer(SetTransformer):
    """Keeps some endpoints. A set of which nothing is left is neg."""

    @abstractmethod
    def keeps(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint stays."""

    def replicas(self, replicas: ReplicaSet) -> Addr:
        """The endpoints that stay."""
        kept = tuple([endpoint for endpoint in replicas.endpoints if self.keeps(endpoint)])
        return ReplicaSet(kept, replicas.meta) if kept else AddrNeg()


def without_repeats(endpoints: list[Endpoint]) -> tuple[Endpoint, ...]:
    """The endpoints in order, each once."""
    return tuple(dict.fromkeys(endpoints))
