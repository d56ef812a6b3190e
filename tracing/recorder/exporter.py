"""The port between the recorder's queue and whoever takes the spans."""

from collections.abc import Sequence
from typing import Protocol

from tracing.span import SpanRecord


class ExportError(Exception):
    """The batch did not arrive; it may be sent again."""


class ExportRefusedError(ExportError):
    """The collector read the batch and will never take it; sending it again changes nothing."""


class Exporter(Protocol):
    """Turns records into a body and sends it; the recorder decides when, and how often."""

    def encode(self, records: Sequence[SpanRecord]) -> bytes:
        """The records as one piece; pieces of a batch are joined by `join`. Never waits."""
        ...

    def join(self, pieces: Sequence[bytes]) -> bytes:
        """One body from the pieces of one batch."""
        ...

    async def send(self, body: bytes) -> None:
        """Deliver one body. Raises: ExportError, ExportRefusedError."""
        ...

    async def aclose(self) -> None:
        """Give back connections."""
        ...
