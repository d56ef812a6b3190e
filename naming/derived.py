"""Watches that are computed from other watches."""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, TypeVar

from naming.errors import NamingError
from naming.state import PENDING, Failed, Ok, Pending, State
from naming.watch import Unsubscribe, Watch

T = TypeVar("T")
U = TypeVar("U")

# A state, and the watches that it was computed from.
Computed: TypeAlias = tuple[State[T], Iterable[Watch[Any]]]


class Derived(Watch[T]):
    """A pure function of other watches' states.

    Shape: it listens to them only while someone listens to it; then it is computed anew with
    each change. Without subscribers it is computed when it is read and something has changed.
    """

    __slots__ = ("_compute", "_heard", "_seen")

    def __init__(self, compute: Callable[[], Computed[T]]) -> None:
        super().__init__()
        self._compute: Final = compute
        # What the newest state was computed from, with the versions it then had.
        self._seen: dict[Watch[Any], int] | None = None
        self._heard: dict[Watch[Any], Unsubscribe] = {}

    @property
    def state(self) -> State[T]:
        """The newest good state, or pending or failed if there was none yet."""
        if not self._subscribers:
            self._freshen()
        return self._state

    @property
    def version(self) -> int:
        """How often the state or the trouble has changed, as far as anyone has looked."""
        if not self._subscribers:
            self._freshen()
        return self._version

    @property
    def trouble(self) -> NamingError | None:
        """Why the newest state is not good, or what troubles one of the watches behind it."""
        if not self._subscribers:
            self._freshen()
        return self._trouble

    def subscribe(self, callback: Callable[[], None]) -> Unsubscribe:
        """Have `callback` called after each change, and listen to what this is computed from."""
        if not self._subscribers:
            self._freshen()
        end = super().subscribe(callback)
        self._listen()

        def unsubscribe() -> None:
            end()
            if not self._subscribers:
                for stop in self._heard.values():
                    stop()
                self._heard = {}

        return unsubscribe

    def recompute(self) -> None:
        """Compute anew, also if no watch has changed: what is asked for may now be there."""
        state, watches = self._compute()
        self._seen = {watch: watch.version for watch in watches}
        if self._subscribers:
            self._listen()
        troubles = (watch.trouble for watch in self._seen)
        if self._take(state, next((trouble for trouble in troubles if trouble), None)):
            self._notify()

    def forget(self) -> None:
        """Let the last good value go: what comes next is shown even if it is no answer."""
        self._state = PENDING
        self._trouble = None
        self._version += 1

    def _freshen(self) -> None:
        seen = self._seen
        if seen is not None:
            for watch, version in seen.items():
                if watch.version != version:
                    break
            else:
                return
        self.recompute()

    def _listen(self) -> None:
        """Listen to exactly what the newest state was computed from."""
        seen = self._seen or {}
        # The new ones first: a watch that lives only while it is used must not stop in between.
        for watch in seen:
            if watch not in self._heard:
                self._heard[watch] = watch.subscribe(self.recompute)
        for watch in [watch for watch in self._heard if watch not in seen]:
            self._heard.pop(watch)()


def mapped(watch: Watch[T], change: Callable[[T], U]) -> Watch[U]:
    """The watch with each good value changed by a pure function."""

    def compute() -> Computed[U]:
        state = watch.state
        if isinstance(state, Ok):
            return Ok(change(state.value)), (watch,)
        return state, (watch,)

    return Derived(compute)


def settled(state: State[object]) -> bool:
    """Whether there is an answer, good or bad."""
    match state:
        case Ok() | Failed():
            return True
        case Pending():
            return False
