"""What may be done to bound names behind the dtab: the ports, and how they are applied."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from dtab import NameTree, Path, map_leafs
from naming.bind import Binding
from naming.bound import Bound
from naming.derived import Computed, Derived
from naming.namer import Name, Namer
from naming.state import Ok
from naming.watch import Watch


@runtime_checkable
class Transformer(Protocol):
    """Maps each bound name: its id gets a prefix, its addresses change.

    Shape: the tree's shape and the residuals stay. A set of which nothing is left is neg.
    """

    @property
    def kind(self) -> str:
        """The class name that Linkerd's delegator shows for it."""
        ...

    def transform(self, bound: Bound) -> Bound:
        """The bound name after it. The same watch of addresses for the same one given."""
        ...


@runtime_checkable
class Substitute(Protocol):
    """Puts the binding of a fixed path in the place of what was bound."""

    def substitute(self, binding: Binding, namers: Sequence[Namer]) -> Binding:
        """The binding after it."""
        ...


AnyTransformer: TypeAlias = Transformer | Substitute


def transformed(
    binding: Binding, transformers: Sequence[AnyTransformer], namers: Sequence[Namer]
) -> Binding:
    """A binding behind all transformers, in order."""
    for transformer in transformers:
        if isinstance(transformer, Substitute):
            binding = transformer.substitute(binding, namers)
        elif isinstance(binding.state, Ok):
            tree = map_leafs(binding.state.value, transformer.transform)
            binding = Binding(Ok(tree), binding.watches)
    return binding


class TransformedNamer:
    """A namer whose bound names go through transformers. Paths that it answers do not."""

    def __init__(self, namer: Namer, transformers: Sequence[Transformer]) -> None:
        self._namer = namer
        self._transformers = tuple(transformers)

    @property
    def prefix(self) -> Path:
        """The prefix of the namer within."""
        return self._namer.prefix

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        """The namer's answer, transformed."""
        inner = self._namer.lookup(path)

        def compute() -> Computed[NameTree[Name]]:
            state = inner.state
            if not isinstance(state, Ok):
                return state, (inner,)
            return Ok(map_leafs(state.value, self._through)), (inner,)

        return Derived(compute)

    def _through(self, name: Name) -> Name:
        if isinstance(name, Bound):
            for transformer in self._transformers:
                name = transformer.transform(name)
        return name
