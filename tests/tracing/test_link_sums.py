"""Sums of links against the links counted from all traces at once."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.kits.span_store import HOUR_MS, span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.links import LinkCounter, decode_plain
from tracing.pipeline.model import Kind, V2Endpoint, V2Span, decode_strict, to_json
from tracing.pipeline.normalise import normalised
from tracing.pipeline.store.index import compact
from tracing.pipeline.store.memory import MemoryStore
from tracing.pipeline.store.read import link_sums
from tracing.pipeline.store.sqlite import SqliteStore
from tracing.pipeline.tree import build, merge

MINUTE_MS = 60_000
EVER = 1 << 60
KINDS: tuple[Kind, ...] = ("CLIENT", "SERVER", "PRODUCER", "CONSUMER")


def part(number: int, own: int, parent: int, at_s: int | None, sort: int) -> V2Span:
    one = span(
        number,
        own,
        parent=parent,
        kind=KINDS[sort % 4],
        service=f"s{own}",
        remote=f"s{parent}" if parent else None,
        at_ms=HOUR_MS // MINUTE_MS * MINUTE_MS + (at_s or 0) * 1000,
        tags={"error": ""} if sort > 3 else None,
    )
    if at_s is None:
        one.timestamp = None
    return one


parts = st.builds(
    part,
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 3),
    st.none() | st.integers(0, 99),
    st.integers(0, 5),
)
steps = st.lists(
    st.lists(parts, min_size=1, max_size=6) | st.sampled_from(["sum", "compact"]), max_size=14
)
windows = st.lists(st.tuples(st.integers(-60, 400), st.integers(1, 400)), min_size=1, max_size=4)


# The same span again, now failed: no call more, but an error.
FAILED_LATER = [[part(1, 2, 1, 0, 0)], "sum", [part(1, 2, 1, 0, 4)], "sum"]
# A span of trace 1 contradicts an older part of it; between them small blocks are put together.
CONTRADICTED = [
    [part(1, 1, 2, 0, 0)],
    [part(2, 1, 2, 0, 0)],
    "sum",
    [part(1, 1, 3, 0, 0)],
    "compact",
]


@pytest.mark.parametrize("large", [3, 2_000])
@example(plan=FAILED_LATER, asked=[(0, 1)])
@example(plan=CONTRADICTED, asked=[(0, 1)])
@settings(max_examples=60)
@given(plan=steps, asked=windows)
def test_the_sums_are_what_counting_every_trace_gives(
    tmp_path_factory: pytest.TempPathFactory,
    large: int,
    plan: list[list[V2Span] | str],
    asked: list[tuple[int, int]],
) -> None:
    async def check() -> None:
        store, plain = SqliteStore(tmp_path_factory.mktemp("sums") / "spans"), MemoryStore()
        start_ms = HOUR_MS // MINUTE_MS * MINUTE_MS
        for step in plan:
            if step == "sum":
                await store.services()  # writes the index, which the sums follow
                await store.sum_links(EVER)
            elif step == "compact":
                await store.compact()
            elif not isinstance(step, str):
                await store.append(batch_of(step))
                await plain.append(batch_of(step))
        for end_s, lookback_s in [*asked, (0, start_ms // 1000)]:
            window = (start_ms + end_s * 1000, lookback_s * 1000)
            ours, theirs = await store.dependencies(*window), await plain.dependencies(*window)
            assert sorted(ours, key=repr) == sorted(theirs, key=repr)
        await store.aclose()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "_RUN_MIN", 2)  # else no example would be long enough
        patch.setattr(link_sums, "_LARGE_SPANS", large)
        asyncio.run(check())


names = st.sampled_from([None, "", "a", "A", "b", "Straße"])
places = st.none() | st.builds(V2Endpoint, names)
reported = st.builds(
    V2Span,
    trace_id=st.just(f"{1:016x}"),
    parent_id=st.none() | st.integers(1, 6).map("{:016x}".format),
    id=st.integers(1, 6).map("{:016x}".format),
    kind=st.sampled_from((None, *KINDS)),
    timestamp=st.none() | st.integers(-5, 5),
    local_endpoint=places,
    remote_endpoint=places,
    tags=st.none() | st.just({"error": ""}) | st.just({"Error": "x"}),
    shared=st.none() | st.sampled_from([None, None, True]),
)


@settings(max_examples=400)
@given(st.lists(reported, max_size=6, unique_by=lambda one: one.id) | st.lists(reported))
def test_a_plain_trace_is_counted_as_with_its_tree(spans: list[V2Span]) -> None:
    plain, whole = LinkCounter(), LinkCounter()
    body = to_json(spans)
    whole.add_trace([normalised(one) for one in decode_strict(body)])
    if plain.add_plain(decode_plain(body)):
        assert sorted(plain.sums()) == sorted(whole.sums())
    else:
        ids = [one.id for one in spans]
        circle = len(build(merge([normalised(one) for one in spans])).cut_off)
        assert len(set(ids)) < len(ids) or any(one.shared for one in spans) or circle
        assert list(plain.sums()) == []


async def test_a_large_trace_that_goes_on_leaves_the_sums_and_is_counted_all_the_same(
    tmp_path: Path,
) -> None:
    store, plain = SqliteStore(tmp_path / "spans"), MemoryStore()
    window, each = (HOUR_MS * 2, HOUR_MS * 2), 600
    for step in range(8):
        first = step * each + 1
        spans = [part(1, n, n // 2, step, n % 2) for n in range(first, first + each)]
        for kept in (store, plain):
            await kept.append(batch_of([*spans, part(2 + step, 1, 0, step, 1)]))
        if step < 7:
            await store.services()  # the sums follow the index
            assert await store.sum_links(EVER)
        assert await store.dependencies(*window) == await plain.dependencies(*window)
    [low] = await store._readers.ask(
        lambda reader: reader.db.execute("SELECT low FROM link_large").fetchone()
    )
    [sums] = await store._readers.ask(
        lambda reader: reader.db.execute("SELECT sum(calls) FROM link_sum").fetchone()
    )
    assert (low, sums) == (1, 0)
    await store.aclose()


async def test_a_step_that_two_ask_for_is_counted_once(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans")
    await store.append(batch_of([part(1, 2, 1, 70, 0)]))
    await store.services()
    assert sorted(await asyncio.gather(*(store.sum_links(EVER) for _ in range(3)))) == [0, 0, 1]
    [link] = await store.dependencies(HOUR_MS * 2, HOUR_MS * 2)
    assert link.call_count == 1
    await store.aclose()


async def test_sums_outlive_the_process_and_go_with_their_spans(tmp_path: Path) -> None:
    path = tmp_path / "spans"
    store = SqliteStore(path, keep_ms=86_400_000)
    await store.append(batch_of([part(1, 2, 1, 70, 0)]))
    await store.services()
    assert await store.sum_links(EVER)
    assert not await store.sum_links(EVER)
    await store.aclose()
    store = SqliteStore(path, keep_ms=86_400_000)
    [link] = await store.dependencies(HOUR_MS + 5 * MINUTE_MS, 10 * MINUTE_MS)
    assert (link.parent, link.child, link.call_count) == ("s2", "s1", 1)
    in_days_ms = 4 * 86_400_000
    await store.forget(HOUR_MS + in_days_ms * 1000)
    await store.forget(HOUR_MS + in_days_ms * 1000)
    assert await store.dependencies(HOUR_MS + 5 * MINUTE_MS, 10 * MINUTE_MS) == []
    await store.aclose()
