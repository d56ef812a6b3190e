"""What the collector counts, put together: the ledger, and metrics in two forms. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tracing.pipeline.connections import Crowd
from tracing.pipeline.forward.forwarder import Forwarder
from tracing.pipeline.http.timing import RequestTimes
from tracing.pipeline.ingest import Ingest
from tracing.pipeline.store.port import SpanStore

# Why a span never came to the store; what became of it there the store counts itself.
_BEFORE_THE_STORE: Final = ("invalid", "sampled_out", "busy")

# Entries by section; "dropped" is a table of its own: reason or policy, spans.
Ledger = dict[str, dict[str, Any]]

Samples = Iterator[tuple[str, float]]


def _label(text: str) -> str:
    """An operator's text as the value of a label."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Accounts:
    """The counts of one collector's parts."""

    def __init__(
        self,
        store: SpanStore,
        ingest: Ingest,
        forwarders: Sequence[Forwarder],
        times: RequestTimes,
        crowds: Mapping[str, Crowd],
    ) -> None:
        self._store = store
        self._ingest = ingest
        self._forwarders = forwarders
        self._times = times
        self._crowds = crowds

    @property
    def problem(self) -> str | None:
        """Why the last message could not be stored; None where it could."""
        return self._ingest.problem

    def ledger(self) -> Ledger:
        """Where every received span is: received == stored + exported + queued + all dropped.

        Received includes what a process before left queued; each number is counted by itself.
        """
        every = self._ingest.counts.values()
        held = self._store.counts()
        flow = held.flow
        dropped = dict.fromkeys(_BEFORE_THE_STORE, 0)
        for counts in every:
            for reason in _BEFORE_THE_STORE:
                dropped[reason] += counts.dropped[reason]
        told: Ledger = {
            "since_start": {
                "received": sum(counts.spans for counts in every) + flow.read_back,
                "stored": flow.stored,
                "exported": flow.exported,
                "queued": flow.queued,
                "dropped": dropped | flow.dropped,
            },
        }
        if (waits := held.tail) is not None:
            told["tail"] = {
                "accepted": waits.accepted,
                "kept": waits.kept,
                "waiting": waits.waiting,
                "read_back": waits.read_back,
                "dropped": waits.dropped,
            }
        told["store"] = {
            "stored": held.stored,
            "evicted": held.evicted,
            "held": held.stored - held.evicted,
            "blocks": held.blocks,
            "bytes": held.size_bytes,
            "spoilt_blocks": held.spoilt,
        }
        if held.standing is not None:
            told["store"] |= held.standing._asdict()
        if self._forwarders:
            told["export"] = {
                one.name: {
                    "sent": one.sent,
                    "refused": one.refused,
                    "problem": one.problem,
                    "refusal": one.refusal,
                }
                for one in self._forwarders
            }
        return told

    def flat(self) -> Samples:
        """The real server's /metrics: names and values, by transport."""
        for transport, counts in self._ingest.counts.items():
            counter = "counter.zipkin_collector"
            yield f"{counter}.messages.{transport}", float(counts.messages)
            yield f"{counter}.messages_dropped.{transport}", float(counts.messages_dropped)
            yield f"{counter}.bytes.{transport}", float(counts.bytes)
            yield f"{counter}.spans.{transport}", float(counts.spans)
            yield f"{counter}.spans_dropped.{transport}", float(counts.spans_dropped)
            gauge = "gauge.zipkin_collector"
            yield f"{gauge}.message_spans.{transport}", float(counts.last_spans)
            yield f"{gauge}.message_bytes.{transport}", float(counts.last_bytes)

    def exposition(self) -> str:
        """All of it as Prometheus reads it, text format 0.0.4."""
        lines: list[str] = []
        families = (
            *self._of_transports(),
            *self._of_the_ledger(),
            *self._of_connections(),
            *self._of_the_store(),
        )
        for name, kind, samples in families:
            lines.append(f"# TYPE {name} {kind}")
            lines.extend(f"{name}{labels} {value}" for labels, value in samples)
        return "\n".join(lines) + "\n"

    def _of_transports(self) -> Iterator[tuple[str, str, Samples]]:
        counts = self._ingest.counts

        def by_transport(field: str) -> Samples:
            return ((f'{{transport="{t}"}}', getattr(counts[t], field)) for t in counts)

        for field in ("messages", "messages_dropped", "bytes", "spans", "spans_dropped"):
            yield f"zipkin_collector_{field}_total", "counter", by_transport(field)
        for field, source in (("message_spans", "last_spans"), ("message_bytes", "last_bytes")):
            yield f"zipkin_collector_{field}", "gauge", by_transport(source)
        dropped = (
            (f'{{transport="{t}",reason="{reason}"}}', spans)
            for t in counts
            for reason, spans in counts[t].dropped.items()
        )
        yield "weir_collector_dropped_spans_total", "counter", dropped
        rewritten = iter([("", self._ingest.rewritten)])
        yield "weir_collector_rewritten_spans_total", "counter", rewritten
        yield "weir_collector_reading_bytes", "gauge", iter([("", self._ingest.intake.held)])

    def _of_the_ledger(self) -> Iterator[tuple[str, str, Samples]]:
        told = self.ledger()["since_start"]
        dropped = told.pop("dropped")
        parts = [(f'{{part="{part}"}}', spans) for part, spans in told.items()]
        yield "weir_ledger_spans", "gauge", iter(parts)
        reasons = [(f'{{reason="{_label(reason)}"}}', n) for reason, n in dropped.items()]
        yield "weir_ledger_dropped_spans", "gauge", iter(reasons)

    def _of_connections(self) -> Iterator[tuple[str, str, Samples]]:
        yield "http_server_requests_seconds", "histogram", self._times.samples()
        open_now = ((f'{{port="{port}"}}', len(crowd)) for port, crowd in self._crowds.items())
        yield "weir_collector_connections", "gauge", open_now
        ended = (
            (f'{{port="{port}",reason="{reason}"}}', count)
            for port, crowd in self._crowds.items()
            for reason, count in crowd.ended.items()
        )
        yield "weir_collector_connections_ended_total", "counter", ended

    def _of_the_store(self) -> Iterator[tuple[str, str, Samples]]:
        held = self._store.counts()
        if (tail := held.tail) is not None:
            policies = ((f'{{policy="{_label(name)}"}}', n) for name, n in tail.dropped.items())
            yield "weir_tail_dropped_spans_total", "counter", policies
            yield "weir_tail_waiting_spans", "gauge", iter([("", tail.waiting)])
        for name in ("sent", "refused"):
            sums = [(f'{{exporter="{one.name}"}}', getattr(one, name)) for one in self._forwarders]
            yield f"weir_exporter_{name}_spans_total", "counter", iter(sums)
        for name, kind, value in (
            ("weir_store_spans_stored_total", "counter", held.stored),
            ("weir_store_spans_evicted_total", "counter", held.evicted),
            ("weir_store_spans_queued", "gauge", held.flow.queued),
            ("weir_spans_exported_total", "counter", held.flow.exported),
            ("weir_store_blocks", "gauge", held.blocks),
            ("weir_store_blocks_spoilt", "gauge", held.spoilt),
            ("weir_store_bytes", "gauge", held.size_bytes),
        ):
            yield name, kind, iter([("", value)])
