"""A bounded table of things that are shared while anyone holds them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Linkerd keeps 1,000 entries in each of its binding caches.
KEPT_MAX: Final = 1_000


class SharedTable(Generic[K, V]):
    """Values by key. Whoever holds a value keeps it here; the rest goes, longest unused first.

    Shape: at most `kept_max` values that nobody else holds.
    """

    __slots__ = ("_held", "_kept", "_kept_max")

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._held: Final[WeakValueDictionary[K, V]] = WeakValueDictionary()
        self._kept: Final[OrderedDict[K, V]] = OrderedDict()
        self._kept_max: Final = kept_max

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """The value of the key, made if it is not there."""
        value = self._held.get(key)
        if value is None:
            value = self._held[key] = make(key)
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
        return value

    def drop(self, key: K) -> None:
        """Forget the value; who holds it keeps what it has, a new one is made when asked."""
        self._kept.pop(key, None)
        self._held.pop(key, None)

    def items(self) -> Iterator[tuple[K, V]]:
        """All keys and values in the table; the caller may change the table meanwhile."""
        return iter(list(self._held.items()))

    def values(self) -> Iterator[V]:
        """All values in the table; the caller may change the table meanwhile."""
        return iter(list(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)
