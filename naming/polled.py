"""Watches that ask again and again, while someone listens."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Final, Generic, TypeAlias, TypeVar

from naming.state import State
from naming.watch import Source, Unsubscribe

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A state, and for how many seconds it may be used; for ever if that is infinite."""

    state: State[T]
    ttl_s: float


Ask: TypeAlias = Callable[[], Awaitable[Answer[T]]]


class Polled(Source[T]):
    """Asks while someone subscribes, anew whenever an answer has served its time.

    Shape: `ask` must answer with a failed state, not raise. What was answered last stays when
    nobody listens any more; the next listener has it asked for anew at once.
    """

    __slots__ = ("_ask", "_task")

    def __init__(self, ask: Ask[T]) -> None:
        super().__init__()
        self._ask: Final = ask
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, callback: Callable[[], None]) -> Unsubscribe:
        """Have `callback` called after each change."""
        end = super().subscribe(callback)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._poll(), name="naming poll")

        def unsubscribe() -> None:
            end()
            if not self._subscribers and self._task is not None:
                self._task.cancel()
                self._task = None

        return unsubscribe

    async def _poll(self) -> None:
        while True:
            answer = await self._ask()
            self.set(answer.state)
            if answer.ttl_s == inf:
                return
            await asyncio.sleep(answer.ttl_s)

    async def aclose(self) -> None:
        """Ask no more, whoever still listens."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
