"""The port between the recorder's queue and whoever takes the spans."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tracing.exchange import Record

Piece = TypeVar("Piece")


class ExportError(Exception):
    """The batch did not arrive; it may be sent again.

    Units: retry_after_s is what the collector asked for, None where it asked for nothing.
    """

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class ExportRefusedError(ExportError):
    """The collector read the batch and will never take it; sending it again changes nothing."""


class Exporter(Protocol[Piece]):
    """Turns records into pieces of a batch and sends it; the recorder decides when, how often."""

    def encode(self, records: Sequence[Record]) -> Piece:
        """A few records, ready to be sent. Never waits."""
        ...

    def size(self, piece: Piece) -> int:
        """About how many bytes of the batch a piece takes."""
        ...

    async def send(self, pieces: Sequence[Piece]) -> None:
        """Deliver one batch. Raises: ExportError, ExportRefusedError."""
        ...

    async def aclose(self) -> None:
        """Give back connections."""
        ...
