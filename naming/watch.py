"""Values that change, and who wants to know.

Nothing here waits or schedules: a change calls its subscribers at once, in the order in which
they came. Subscribers read `.state` themselves, so one that is called late sees the newest.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeAlias, TypeVar

from naming.errors import NamingError
from naming.state import PENDING, Failed, Ok, Pending, State

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Unsubscribe: TypeAlias = Callable[[], None]


class Watch(Generic[T_co]):
    """The read side of a value that changes.

    Shape: `state` is the newest good state. Once it was ok it stays ok: what fails later is told
    by `trouble`, and the last good value stays in use. `version` grows with each change of either.
    """

    __slots__ = ("__weakref__", "_state", "_subscribers", "_trouble", "_version")

    def __init__(self, state: State[T_co] = PENDING) -> None:
        self._state: State[T_co] = state
        self._trouble: NamingError | None = state.error if isinstance(state, Failed) else None
        self._subscribers: dict[object, Callable[[], None]] = {}
        self._version = 0

    @property
    def state(self) -> State[T_co]:
        """The newest good state, or pending or failed if there was none yet."""
        return self._state

    @property
    def trouble(self) -> NamingError | None:
        """Why the newest state is not good, or None."""
        return self._trouble

    @property
    def version(self) -> int:
        """How often the state or the trouble has changed."""
        return self._version

    @property
    def in_use(self) -> bool:
        """Whether anyone subscribes."""
        return bool(self._subscribers)

    def subscribe(self, callback: Callable[[], None]) -> Unsubscribe:
        """Have `callback` called after each change; the result ends that, once or many times."""
        key = object()
        self._subscribers[key] = callback

        def unsubscribe() -> None:
            self._subscribers.pop(key, None)

        return unsubscribe

    def _notify(self) -> None:
        for key, callback in list(self._subscribers.items()):
            # One that an earlier callback has unsubscribed is no longer called.
            if key in self._subscribers:
                callback()

    def _take(self, state: State[T_co], trouble: NamingError | None = None) -> bool:
        """Note a new state, and what troubles it if not itself; whether anything changed."""
        if isinstance(state, Failed):
            trouble = state.error
        kept = isinstance(self._state, Ok) and not isinstance(state, Ok)
        if (kept or state == self._state) and trouble == self._trouble:
            return False
        if not kept:
            self._state = state
        self._trouble = trouble
        self._version += 1
        return True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._state!r})"


class Source(Watch[T]):
    """A watch and the pen that writes it."""

    __slots__ = ()

    def set(self, state: State[T], trouble: NamingError | None = None) -> None:
        """The newest state, and what troubles it. Subscribers are called only if it changed."""
        if self._take(state, trouble):
            self._notify()

    def forget(self, state: Ok[T] | Pending | Failed) -> None:
        """Like `set`, but a last good value does not outlive it."""
        if self._state != state:
            self._state = PENDING
            self._trouble = None
            self._take(state)
            self._version += 1
            self._notify()


class Always(Watch[T_co]):
    """A watch that never changes. Nobody is kept as its subscriber.

    It is made for every name that a rewriter answers, so it makes as little as it can.
    """

    __slots__ = ()

    def __init__(self, state: State[T_co]) -> None:
        self._state = state
        self._trouble = state.error if isinstance(state, Failed) else None
        self._subscribers = _NOBODY
        self._version = 0

    def subscribe(self, callback: Callable[[], None]) -> Unsubscribe:  # noqa: ARG002
        """Nothing: there is no change to tell of."""
        return _nothing


# Shared by all watches that never change; nothing is ever put into it.
_NOBODY: Final[dict[object, Callable[[], None]]] = {}


def _nothing() -> None:
    """End a subscription that never began."""
