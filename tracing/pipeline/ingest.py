"""From a received message to durable spans, with a count of everything on the way."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.intake import Intake
from tracing.pipeline.large import LARGE_BYTES, LargeMessages
from tracing.pipeline.model import SpanError
from tracing.pipeline.sampling import BoundarySampler
from tracing.pipeline.store.port import SpanStore, StoreBusyError, StoreError
from tracing.pipeline.tags import TagRules

# Those of the real server, whose metrics name each of them whether it is there or not.
_TRANSPORTS: Final = ("http", "grpc", "scribe")
_PROBLEM_S: Final = 60.0


@dataclass(slots=True)
class TransportCounts:
    """What came in over one transport since start.

    Shape: spans is all that was decoded; dropped says by reason which of them are not stored.
    """

    messages: int = 0
    messages_dropped: int = 0
    bytes: int = 0
    spans: int = 0
    stored: int = 0
    queued: int = 0
    dropped: dict[str, int] = field(
        default_factory=lambda: {
            "invalid": 0,
            "sampled_out": 0,
            "busy": 0,
            "store_failed": 0,
        }
    )
    last_spans: int = 0
    last_bytes: int = 0

    @property
    def spans_dropped(self) -> int:
        """Decoded spans that are not stored."""
        return sum(self.dropped.values())


class Ingest:
    """The processors between receivers and the store.

    Ledger, per transport and at every moment: spans == stored + queued + spans_dropped.
    """

    def __init__(
        self,
        store: SpanStore,
        sample_rate: float,
        intake: Intake,
        more_transports: Iterable[str] = (),
        rules: TagRules | None = None,
    ) -> None:
        self._store = store
        self.intake = intake
        self._sampler = BoundarySampler(sample_rate)
        self._rules = None if rules is None or rules.idle else rules
        self.large = LargeMessages()
        self._failure: tuple[str, float] | None = None  # of the last message, and when
        self.rewritten = 0  # spans in which a tag was redacted, cut or dropped
        self.counts = {name: TransportCounts() for name in (*_TRANSPORTS, *more_transports)}

    @property
    def problem(self) -> str | None:
        """Why the last message could not be stored.

        Not for longer than a minute: who is not sent any more must not be down for ever.
        """
        if self._failure is None:
            return None
        text, at = self._failure
        return text if asyncio.get_running_loop().time() - at < _PROBLEM_S else None

    async def accept(self, transport: str, message: bytes, decode: Callable[[bytes], Batch]) -> int:
        """Decode, sample and store one message; returns once its spans are durable.

        Returns: how many of its spans cannot be kept whatever happens.

        Raises: SpanError (the message is bad), StoreBusyError (nothing was taken, come again),
        StoreError (the store failed).
        """
        counts = self.counts[transport]
        counts.messages += 1
        size = len(message)
        counts.bytes += size
        counts.last_bytes = size
        try:
            if size > LARGE_BYTES:
                batch = await self.large.decode(message, decode)
            else:
                batch = decode(message)
        except (SpanError, StoreBusyError):
            counts.messages_dropped += 1
            raise
        await self.store(transport, batch)
        return batch.rejected

    def refuse(self, transport: str, size: int) -> None:
        """Count a message that could not even be read whole. Units: size is bytes."""
        counts = self.counts[transport]
        counts.messages += 1
        counts.messages_dropped += 1
        counts.bytes += size

    def close(self) -> None:
        """Take no large message any more."""
        self.large.close()

    async def store(self, transport: str, batch: Batch) -> None:
        """Sample and store decoded spans. Raises: StoreBusyError, StoreError."""
        counts = self.counts[transport]
        total = len(batch.spans)
        counts.spans += total + batch.rejected
        counts.dropped["invalid"] += batch.rejected
        counts.last_spans = total + batch.rejected
        if not self._sampler.keeps_all:
            kept = [span for span in batch.spans if self._sampler.keeps(span)]
            if len(kept) < total:
                counts.dropped["sampled_out"] += total - len(kept)
                batch = batch_of(kept)
                total = len(kept)
        if not total:
            return
        if self._rules is not None:
            batch = self._rewrite(self._rules, batch)
        counts.queued += total
        reason = "store_failed"
        try:
            await self._store.append(batch)
            reason = ""
            self._failure = None
        except StoreBusyError:
            reason = "busy"
            counts.messages_dropped += 1
            raise
        except asyncio.CancelledError:
            reason = ""  # the sender went away while it waited; its spans are stored all the same
            raise
        except StoreError as error:
            counts.messages_dropped += 1
            self._failure = str(error), asyncio.get_running_loop().time()
            raise
        finally:
            counts.queued -= total
            if reason:
                counts.dropped[reason] += total
            else:
                counts.stored += total

    def _rewrite(self, rules: TagRules, batch: Batch) -> Batch:
        """The batch as the rules want it, and nothing else: nobody looks into unknown members."""
        self.rewritten += sum(map(rules.apply, batch.spans))
        return batch_of(batch.spans)
