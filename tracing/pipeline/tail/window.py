"""The time in which a trace's spans come together before it is judged. Pure.

Messages wait in rows, as they came. A row is due when its time is over; then every trace in it is
judged, unless it was before, and the row's spans follow the verdicts. So rows leave in the order
they came, each at once and whole.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from tracing.pipeline.model import V2Span, low_half
from tracing.pipeline.tail.policy import Facts, Policies, Verdict

# A trace's facts are some 200 bytes and a verdict 150, so these are about 100 MB and 30 MB.
_TRACES_MAX: Final = 500_000
_VERDICTS_MAX: Final = 200_000
_ROWS_BYTES_MAX: Final = 1 << 30  # they lie on disk
# What is remembered of a row is some 150 bytes, and 100 for each of its traces.
_ROWS_MAX: Final = 200_000

# The spans of each trace, by the low half of its id.
Traces = Mapping[int, list[V2Span]]


class Row(NamedTuple):
    """One waiting message.

    Shape: numbers grow. Units: held_ms is the wall clock when it came, size bytes.
    """

    number: int
    held_ms: int
    size: int
    spans: int


def by_trace(spans: Iterable[V2Span]) -> Traces:
    """The spans, trace by trace."""
    by_id: dict[str, list[V2Span]] = {}
    for span in spans:
        parts = by_id.get(span.trace_id)
        if parts is None:
            by_id[span.trace_id] = [span]
        else:
            parts.append(span)
    traces: dict[int, list[V2Span]] = {}
    for trace_id, parts in by_id.items():
        traces.setdefault(low_half(trace_id), []).extend(parts)
    return traces


class Settled(NamedTuple):
    """A row that waits no longer.

    Shape: verdicts are of each of its traces, spans how many of each it has; awaited are the
    traces that were judged now, though later rows have spans of them, with the last of these rows.
    """

    verdicts: dict[int, Verdict]
    spans: Mapping[int, int]
    awaited: dict[int, int]


class TailWindow:
    """Rows that wait, the facts of their traces, and the verdicts of late.

    Units: window_ms counts from a trace's first span. Past a bound (traces, rows, their bytes) the
    oldest rows are due early: nothing is refused, the verdict only knows less.
    """

    def __init__(
        self,
        policies: Policies,
        window_ms: int,
        *,
        traces_max: int = _TRACES_MAX,
        verdicts_max: int = _VERDICTS_MAX,
        bytes_max: int = _ROWS_BYTES_MAX,
        rows_max: int = _ROWS_MAX,
    ) -> None:
        self._policies = policies
        self._window_ms = window_ms
        self._traces_max = traces_max
        self._verdicts_max = verdicts_max
        self._bytes_max = bytes_max
        self._rows_max = rows_max
        self._rows: deque[tuple[Row, dict[int, int]]] = deque()
        self._bytes = 0
        self._facts: dict[int, Facts] = {}
        self._verdicts: OrderedDict[int, Verdict] = OrderedDict()
        self.spans = 0

    def recall(self, verdicts: Mapping[int, Verdict]) -> None:
        """Take verdicts over from a process before; rows that wait are held afterwards."""
        for low, verdict in verdicts.items():
            self._remember(low, verdict)

    def judged(self, traces: Traces) -> dict[int, Verdict]:
        """The verdicts on those of the traces that were judged already."""
        known = self._verdicts
        return {low: verdict for low in traces if (verdict := known.get(low)) is not None}

    def hold(self, row: Row, traces: Traces) -> None:
        """Let a row wait."""
        self._rows.append((row, {low: len(parts) for low, parts in traces.items()}))
        self._bytes += row.size
        self.spans += row.spans
        for low, parts in traces.items():
            if low in self._verdicts:
                continue
            facts = self._facts.get(low)
            if facts is None:
                facts = self._facts[low] = Facts()
            self._policies.tell(facts, parts)
            facts.last_row = row.number

    @property
    def oldest(self) -> Row | None:
        """The row that came first of those that wait."""
        return self._rows[0][0] if self._rows else None

    def next_due(self, now_ms: int) -> Row | None:
        """The oldest row, if it need not or cannot wait any longer."""
        row = self.oldest
        if row is None:
            return None
        full = (
            self._bytes > self._bytes_max
            or len(self._facts) > self._traces_max
            or len(self._rows) > self._rows_max
        )
        return row if full or row.held_ms + self._window_ms <= now_ms else None

    def settle(self, row: Row, read: Callable[[], Traces]) -> Settled:
        """Judge the traces of the oldest row, which waits no longer.

        `read` reads the row's spans again; it is asked where nothing else is known of a trace.
        """
        oldest, spans = self._rows[0]
        if oldest != row:
            raise ValueError("rows leave in the order they came")
        self._rows.popleft()
        self._bytes -= row.size
        self.spans -= row.spans
        verdicts: dict[int, Verdict] = {}
        awaited: dict[int, int] = {}
        for low in spans:
            verdict = self._verdicts.get(low)
            if verdict is None:
                facts = self._facts.pop(low, None) or self._policies.facts(read().get(low, ()))
                verdict = self._policies.judge(low, facts)
                if facts.last_row > row.number:
                    awaited[low] = facts.last_row
                self._remember(low, verdict)
            verdicts[low] = verdict
        return Settled(verdicts, spans, awaited)

    def restore(self, row: Row, settled: Settled) -> None:
        """Let the row that was settled last wait again: what came of it could not be written."""
        self._rows.appendleft((row, dict(settled.spans)))
        self._bytes += row.size
        self.spans += row.spans

    def _remember(self, low: int, verdict: Verdict) -> None:
        self._verdicts[low] = verdict
        if len(self._verdicts) > self._verdicts_max:
            self._verdicts.popitem(last=False)
