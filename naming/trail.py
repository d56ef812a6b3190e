"""The dentries by which a name came to a client: a route's way, for its spans."""

from typing import Final

from dtab import Dentry, Dtab, Path, show
from naming.delegation import BoundEnd, Choice, Delegation, Split, Step, Transformation
from naming.interpreter import CannotDelegateError, Interpreter
from naming.state import Ok

_CHARACTERS_MAX: Final = 1_000


def dentries(found: Delegation, client: Path) -> tuple[Dentry, ...]:
    """The dentries that lead to the client, outermost first, by the way that is preferred."""
    stack: list[tuple[Delegation, tuple[Dentry, ...]]] = [(found, ())]
    while stack:
        node, way = stack.pop()
        # A branch names the dentry of the split that it is a part of.
        if node.dentry is not None and (not way or node.dentry != way[-1]):
            way = (*way, node.dentry)
        match node:
            case BoundEnd() if node.bound.id == client:
                return way
            case Step() | Transformation():
                stack.append((node.tree, way))
            case Choice():
                stack += [(tree, way) for tree in reversed(node.trees)]
            case Split():
                stack += [(tree, way) for _, tree in reversed(node.trees)]
            case _:
                pass
    return ()


def trail(interpreter: Interpreter, table: Dtab, service: Path, client: Path) -> str:
    """The way as a dtab's text, at most 1,000 characters of whole dentries; empty when unknown."""
    try:
        state = interpreter.delegate(table, service).state
    except CannotDelegateError:
        return ""
    way = dentries(state.value, client) if isinstance(state, Ok) else ()
    while len(text := show(Dtab(way))) > _CHARACTERS_MAX:
        way = way[:-1]
    return text
