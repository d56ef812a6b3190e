"""Waiting for a watch, in an event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from naming.derived import settled
from naming.state import Failed, Ok, State
from naming.watch import Watch

T = TypeVar("T")


async def until(watch: Watch[T], enough: Callable[[State[T]], bool]) -> State[T]:
    """The first state that is enough; the watch is followed until then.

    The caller bounds the time: `async with asyncio.timeout(...)`.
    """
    changed = asyncio.Event()
    unsubscribe = watch.subscribe(changed.set)
    try:
        while not enough(watch.state):
            await changed.wait()
            changed.clear()
        return watch.state
    finally:
        unsubscribe()


async def answered(watch: Watch[T]) -> T:
    """The value, once there is one. Raises: NamingError if it failed before."""
    state = await until(watch, settled)
    if isinstance(state, Failed):
        raise state.error
    assert isinstance(state, Ok)
    return state.value
