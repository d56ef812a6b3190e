"""What every span store promises. A store's test class subclasses SpanStoreContract."""

import asyncio
import random

from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.links import Link
from tracing.pipeline.model import Kind, V2Endpoint, V2Span, to_json
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.store.port import SpanStore

HOUR_MS = 1_763_000_000_000


def noise(size: int) -> str:
    """Text that packing leaves so many bytes of."""
    return random.Random(size).randbytes(size).hex()


def span(  # noqa: PLR0913 - a span has many parts
    trace_id: int,
    own_id: int = 1,
    *,
    parent: int = 0,
    service: str | None = "web",
    remote: str | None = None,
    name: str | None = "get",
    kind: Kind | None = None,
    at_ms: int = HOUR_MS,
    duration: int = 1_000,
    tags: dict[str, str] | None = None,
) -> V2Span:
    return V2Span(
        trace_id=f"{trace_id:016x}",
        parent_id=f"{parent:016x}" if parent else None,
        id=f"{own_id:016x}",
        kind=kind,
        name=name,
        timestamp=at_ms * 1000,
        duration=duration,
        local_endpoint=V2Endpoint(service) if service else None,
        remote_endpoint=V2Endpoint(remote) if remote else None,
        tags=tags,
    )


def around(**conditions: object) -> TraceQuery:
    values: dict[str, object] = {"end_ms": HOUR_MS + 60_000, "lookback_ms": 3_600_000}
    return TraceQuery(**(values | conditions))  # type: ignore[arg-type]


def ids(traces: list[list[V2Span]]) -> list[int]:
    return [int(trace[0].trace_id, 16) for trace in traces]


class SpanStoreContract:
    """Subclasses give the fixture `store`: empty, strict, autocomplete key "env"."""

    async def test_a_trace_comes_back_from_several_batches(self, store: SpanStore) -> None:
        await store.append(batch_of([span(1, 1), span(2, 1)]))
        await store.append(batch_of([span(1, 2, parent=1)]))
        assert [s.id[-1] for s in await store.trace(f"{1:016x}")] == ["1", "2"]
        assert await store.trace(f"{9:016x}") == []

    async def test_exactly_equal_spans_come_back_once(self, store: SpanStore) -> None:
        await store.append(batch_of([span(1), span(1)]))
        await store.append(batch_of([span(1), span(1, name="other")]))
        assert len(await store.trace(f"{1:016x}")) == 2

    async def test_spans_are_normalised_on_their_way_back(self, store: SpanStore) -> None:
        raw = span(1, service="WEB", name="GET", duration=0)
        await store.append(Batch(to_json([raw]), [raw]))
        [read] = await store.trace(f"{1:016x}")
        assert (read.service, read.name, read.duration) == ("web", "get", None)

    async def test_long_ids_are_told_apart_by_their_whole(self, store: SpanStore) -> None:
        spans = [span(1), span(1)]
        spans[0].trace_id = "a" * 16 + spans[1].trace_id
        await store.append(batch_of(spans))
        assert len(await store.trace(spans[0].trace_id)) == 1
        found = await store.traces([spans[1].trace_id, spans[0].trace_id])
        assert [trace[0].trace_id for trace in found] == [spans[1].trace_id, spans[0].trace_id]

    async def test_names_are_listed_sorted_and_in_lower_case(self, store: SpanStore) -> None:
        await store.append(batch_of([span(1, service="Web", remote="DB", name="Get")]))
        await store.append(batch_of([span(2, service="api", name=None), span(3, name="del")]))
        assert await store.services() == ["api", "web"]
        assert await store.span_names("web") == ["del", "get"]
        assert await store.span_names("api") == []
        assert await store.remote_services("web") == ["db"]
        assert await store.remote_services("nobody") == []

    async def test_values_of_configured_keys_are_listed(self, store: SpanStore) -> None:
        await store.append(batch_of([span(1, tags={"env": "prod", "x": "y"})]))
        await store.append(batch_of([span(2, tags={"env": "dev"})]))
        assert await store.tag_values("env") == ["dev", "prod"]
        assert await store.tag_values("x") == []

    async def test_a_search_finds_the_newest_first_up_to_its_limit(self, store: SpanStore) -> None:
        for number in range(1, 31):
            await store.append(batch_of([span(number, at_ms=HOUR_MS + (number * 7) % 31 * 1000)]))
        found = await store.search(around(limit=5))
        newest = [trace[0].timestamp or 0 for trace in found]
        assert len(found) == 5
        assert newest == sorted(newest, reverse=True)
        assert newest[0] == (HOUR_MS + 30_000) * 1000

    async def test_each_condition_may_be_met_by_another_span(self, store: SpanStore) -> None:
        await store.append(batch_of([span(1, 1, tags={"a": "1"}), span(2, 1, tags={"a": "1"})]))
        await store.append(batch_of([span(1, 2, parent=1, service="db", tags={"b": "2"})]))
        both = (("a", "1"), ("b", "2"))
        assert ids(await store.search(around(terms=both))) == [1]
        assert ids(await store.search(around(terms=both, service="db"))) == []
        assert ids(await store.search(around(terms=(("b", None),), service="db"))) == [1]

    async def test_every_kind_of_condition_selects(self, store: SpanStore) -> None:
        await store.append(batch_of([span(1, duration=5_000, remote="db", name="slow")]))
        await store.append(batch_of([span(2, tags={"error": 'ä "x" \\ y'})]))
        await store.append(batch_of([span(3, service="api", at_ms=HOUR_MS - 7_200_000)]))
        assert ids(await store.search(around(duration_min=2_000))) == [1]
        assert ids(await store.search(around(duration_min=10, duration_max=1_000))) == [2]
        assert ids(await store.search(around(remote_service="db"))) == [1]
        assert ids(await store.search(around(span_name="slow"))) == [1]
        assert ids(await store.search(around(terms=(("error", 'ä "x" \\ y'),)))) == [2]
        assert ids(await store.search(around(service="api"))) == []
        assert ids(await store.search(around(service="api", lookback_ms=90_000_000))) == [3]
        assert ids(await store.search(around(service="nobody"))) == []

    async def test_what_is_looked_for_may_have_no_time_or_lie_outside_the_window(
        self, store: SpanStore
    ) -> None:
        failed = {"error": "yes"}
        for number, at_ms in ((1, None), (2, HOUR_MS + 300_000), (3, HOUR_MS - 300_000)):
            part = span(number, 2, parent=1, tags=failed, at_ms=at_ms or HOUR_MS)
            part.timestamp = part.timestamp if at_ms else None
            await store.append(batch_of([part]))
            await store.append(batch_of([span(number, at_ms=HOUR_MS + number)]))
        asked = around(lookback_ms=120_000, terms=(("error", "yes"),))
        assert ids(await store.search(asked)) == [3, 2, 1]
        assert ids(await store.search(around(lookback_ms=120_000))) == [3, 2, 1]

    async def test_conditions_may_be_met_in_messages_of_their_own(self, store: SpanStore) -> None:
        await store.append(batch_of([span(1, 1, tags={"error": "yes"}, duration=5)]))
        await store.append(batch_of([span(1, 2, parent=1, duration=90_000, name="slow")]))
        both = around(terms=(("error", "yes"),), duration_min=80_000, span_name="slow")
        assert ids(await store.search(both)) == [1]

    async def test_a_window_up_to_the_end_of_all_times_is_one(self, store: SpanStore) -> None:
        await store.append(batch_of([span(1, tags={"a": "b"})]))
        ever = (1 << 62) // 1000
        for terms in ((), (("a", "b"),)):
            asked = around(end_ms=ever, lookback_ms=ever, terms=terms)
            assert ids(await store.search(asked)) == [1]
        assert await store.dependencies(ever, ever) == []

    async def test_a_trace_lies_in_a_window_to_the_microsecond(self, store: SpanStore) -> None:
        edge_us = HOUR_MS * 1000
        for number, at_us in enumerate((edge_us - 1, edge_us, edge_us + 1, edge_us + 1000), 1):
            one = span(number)
            one.timestamp = at_us
            await store.append(batch_of([one]))
        assert ids(await store.search(around(end_ms=HOUR_MS, lookback_ms=1))) == [2, 1]
        assert ids(await store.search(around(end_ms=HOUR_MS + 1, lookback_ms=1))) == [4, 3, 2]

    async def test_of_equally_new_traces_the_greater_id_comes_first(self, store: SpanStore) -> None:
        for number in (3, 9 << 60, 1, 7 << 60, 2):
            await store.append(batch_of([span(number)]))
        found = ids(await store.search(around(limit=4)))
        assert found == [9 << 60, 7 << 60, 3, 2]

    async def test_links_count_whole_traces_in_the_window(self, store: SpanStore) -> None:
        for number in (1, 2):
            call = span(number, 2, parent=1, kind="CLIENT", remote="db", at_ms=HOUR_MS + number)
            if number == 2:
                call.tags = {"error": ""}
            await store.append(batch_of([span(number, 1, kind="SERVER"), call]))
        assert await store.dependencies(HOUR_MS + 10, 1_000) == [Link("web", "db", 2, 1)]
        assert await store.dependencies(HOUR_MS + 10, 8) == [Link("web", "db", 1, 1)]
        assert await store.dependencies(HOUR_MS - 10, 1_000) == []

    async def test_the_ledger_counts_every_span_kept(self, store: SpanStore) -> None:
        await asyncio.gather(*(store.append(batch_of([span(n), span(n, 2)])) for n in range(1, 51)))
        counts = store.counts()
        assert (counts.stored, counts.evicted, counts.flow.queued) == (100, 0, 0)

    async def test_a_store_in_order_says_so(self, store: SpanStore) -> None:
        await store.check()
