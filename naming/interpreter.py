"""Interpreters: who binds a path by a table, and keeps the answer new."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

from dtab import Dtab, Leaf, NameTree, Path, Union
from naming.bind import BoundTree, bind
from naming.bound import Bound
from naming.delegate import delegate
from naming.delegation import Delegation
from naming.derived import Computed, Derived
from naming.namer import Namer
from naming.namers.inet import InetResolver
from naming.state import Ok
from naming.system import SYSTEM, SystemNamers
from naming.table import KEPT_MAX
from naming.transformer import AnyTransformer, Transformer, transformed
from naming.watch import Always, Watch


class Interpreter(Protocol):
    """Binds service names. Linkerd's other interpreters ask a namerd; this port hides which."""

    def bind(self, dtab: Dtab, path: Path) -> Watch[NameTree[Bound]]:
        """What the path binds to, by the interpreter's own table and then this one.

        Shape: a live watch; it follows its namers while someone subscribes to it, and passes
        equal successive trees on once. A name that was not bound before is looked for anew
        with each call.
        """
        ...

    def delegate(self, dtab: Dtab, path: Path) -> Watch[Delegation]:
        """Every way the path could go; pending until every namer that it meets has answered."""
        ...


class CannotDelegateError(Exception):
    """The interpreter cannot show delegations: a substitute hides what it stands for."""


class ConfiguredInterpreter:
    """The default interpreter: a table, or a watch of one, and namers.

    Shape: `namers` in order of preference. Linkerd prefers the namer that its configuration
    names later, so its list is given reversed. System namers that ask the machine's own name
    service come last, unless the list has system namers of its own.
    """

    def __init__(
        self,
        namers: Sequence[Namer],
        dtab: Dtab | Watch[Dtab] | None = None,
        transformers: Sequence[AnyTransformer] = (),
        *,
        kept_max: int = KEPT_MAX,
    ) -> None:
        if not any(namer.prefix == SYSTEM for namer in namers):
            namers = (*namers, SystemNamers(InetResolver()))
        self._namers: Final = tuple(namers)
        self._table: Final[Watch[Dtab]] = (
            dtab if isinstance(dtab, Watch) else Always(Ok(dtab or Dtab()))
        )
        self._transformers: Final = tuple(transformers)
        self._kept_max: Final = kept_max
        self._bindings: Final[OrderedDict[tuple[Dtab, Path], Derived[BoundTree]]] = OrderedDict()

    @property
    def dtab(self) -> Watch[Dtab]:
        """The interpreter's own table."""
        return self._table

    @property
    def namers(self) -> tuple[Namer, ...]:
        """The namers, in order of preference."""
        return self._namers

    def bind(self, dtab: Dtab, path: Path) -> Watch[NameTree[Bound]]:
        """What the path binds to, by the interpreter's own table and then this one."""
        key = (dtab, path)
        watch = self._bindings.get(key)
        if watch is None:
            watch = self._bindings[key] = Derived(lambda: self._compute(dtab, path))
            if len(self._bindings) > self._kept_max:
                self._bindings.popitem(last=False)
            return watch
        self._bindings.move_to_end(key)
        state = watch.state
        if not (isinstance(state, Ok) and isinstance(state.value, Leaf | Union)):
            # Nothing was there. Namers notice what appears, but a request that comes right
            # behind the change must not be told of the past.
            watch.recompute()
        return watch

    def _compute(self, dtab: Dtab, path: Path) -> Computed[BoundTree]:
        table = self._table.state
        if not isinstance(table, Ok):
            return table, (self._table,)
        binding = bind(path, table.value + dtab, self._namers)
        if self._transformers:
            binding = transformed(binding, self._transformers, self._namers)
        if isinstance(self._table, Always):
            return binding.state, binding.watches
        return binding.state, (self._table, *binding.watches)

    def delegate(self, dtab: Dtab, path: Path) -> Watch[Delegation]:
        """Every way the path could go. Raises: CannotDelegateError behind a substitute."""
        transformers = [t for t in self._transformers if isinstance(t, Transformer)]
        if len(transformers) < len(self._transformers):
            raise CannotDelegateError

        def compute() -> Computed[Delegation]:
            table = self._table.state
            if not isinstance(table, Ok):
                return table, (self._table,)
            found = delegate(path, table.value + dtab, self._namers, transformers)
            return found.state, (self._table, *found.watches)

        return Derived(compute)
