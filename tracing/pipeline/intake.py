"""How much of messages that are not whole yet may be held, and how long. Pure.

Each receiver bounds one message, and each port its connections; only together they bound memory.
"""

from typing import Self


class FullError(Exception):
    """Nothing more of a message can be held now; its sender may come again."""


class Intake:
    """The room for all of them. Units: bytes_max; within_s from a message's first byte on."""

    def __init__(self, bytes_max: int, within_s: float) -> None:
        self._bytes_max = bytes_max
        self.within_s = within_s
        self.held = 0

    def change(self, size: int) -> None:
        """Hold so many bytes more, or fewer. Raises: FullError."""
        if size > 0 and self.held + size > self._bytes_max:
            raise FullError
        self.held += size


class Held:
    """What one message takes of the room; leaving the context gives it back."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.now(0)

    def now(self, size: int) -> None:
        """It takes so many bytes now. Raises: FullError, and then it takes what it took."""
        if size != self._size:
            self._intake.change(size - self._size)
            self._size = size
