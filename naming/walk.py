"""Recursion without a stack, for trees whose nesting strangers choose.

A part of a walk is a generator: it yields the parts that it needs, is sent their results, and
returns its own. Errors pass from part to part as they would from call to call.

    def size(tree: Tree) -> Part[int]:
        return 1 + sum((yield from need_all(map(size, tree.children))))
"""

from collections.abc import Generator, Iterable
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

# A part that returns a T. What it yields are parts, what it is sent are their results.
Part: TypeAlias = Generator[Any, Any, T]


def walk(part: Part[T]) -> T:
    """The result of a part and of all that it needs."""
    stack: list[Part[Any]] = [part]
    value: Any = None
    error: Exception | None = None
    while stack:
        try:
            needed = stack[-1].send(value) if error is None else stack[-1].throw(error)
        except StopIteration as stop:
            value, error = stop.value, None
            stack.pop()
        except Exception as raised:  # noqa: BLE001 - it is raised again in the part that waits
            value, error = None, raised
            stack.pop()
        else:
            stack.append(needed)
            value = error = None
    if error is not None:
        raise error
    result: T = value
    return result


def need(part: Part[T]) -> Part[T]:
    """Another part's result, for `yield from`."""
    result: T = yield part
    return result


def need_all(parts: Iterable[Part[T]]) -> Part[list[T]]:
    """Other parts' results in order, for `yield from`."""
    results: list[T] = []
    for part in parts:
        results.append((yield part))  # noqa: PERF401 - each yield waits for one result
    return results
