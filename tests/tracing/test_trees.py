"""Merging, trees, links, clock skew and the critical path."""

import time
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kits.span_store import span
from tests.tracing.pages_data import traffic
from tracing.pipeline.decode.v2_json import decode_lenient
from tracing.pipeline.links import Link, links_of
from tracing.pipeline.model import Kind, V2Annotation, V2Endpoint, V2Span, to_json
from tracing.pipeline.normalise import normalised
from tracing.pipeline.skew import correct
from tracing.pipeline.tree import Tree, build, known, merge
from tracing.ui.compare import Comparison
from tracing.ui.critical import critical_path
from tracing.ui.graph import lay_out
from tracing.ui.hits import hits
from tracing.ui.names import name_of, show_us
from tracing.ui.view import waterfall

ids = st.integers(1, 6)
KINDS: list[Kind | None] = [None, "CLIENT", "SERVER", "PRODUCER", "CONSUMER"]
kinds = st.sampled_from(KINDS)
names = st.sampled_from([None, "a", "b", "c"])


@st.composite
def any_span(draw: st.DrawFn) -> V2Span:
    made = span(
        1,
        draw(ids),
        parent=draw(st.integers(0, 6)),
        service=draw(names),
        remote=draw(names),
        kind=draw(kinds),
        at_ms=draw(st.integers(0, 50)),
        duration=draw(st.integers(0, 40_000)),
        tags=draw(st.sampled_from([None, {"error": ""}, {"k": "v"}])),
    )
    made.shared = draw(st.booleans())
    return normalised(made)


traces = st.lists(any_span(), min_size=1, max_size=12)


def spans_in(tree: Tree) -> list[V2Span]:
    return [row.span for row in tree.rows]


@given(traces)
def test_parts_of_a_span_are_joined_in_any_order(trace: list[V2Span]) -> None:
    merged = merge(trace)
    assert {s.id for s in merged} == {s.id for s in trace}
    assert len(merged) <= len(trace)
    assert {name for s in merged for name in s.tags or ()} == {
        name for s in trace for name in s.tags or ()
    }


@given(traces)
def test_a_tree_holds_each_span_once_at_most(trace: list[V2Span]) -> None:
    merged = merge(trace)
    tree = build(merged)
    held = [*spans_in(tree), *tree.cut_off]
    assert {id(s) for s in held} == {id(s) for s in merged}
    assert len(held) == len(merged)


@given(st.lists(traces, max_size=3))
def test_counting_never_fails_and_errors_are_calls(many: list[list[V2Span]]) -> None:
    for link in links_of(many):
        assert 0 <= link.error_count <= link.call_count
        assert link.parent
        assert link.child


def test_a_shared_server_span_hangs_below_its_client() -> None:
    client = span(1, 2, parent=1, kind="CLIENT", service="web")
    server = span(1, 2, kind="SERVER", service="api")
    child = span(1, 3, parent=2, service="api")
    tree = build(merge([child, server, client, span(1, 1, service="web")]))
    rows = [
        (name_of(row.span).who, row.depth)
        for row in waterfall([child, server, client, span(1, 1)]).rows
    ]
    assert tree.root is tree.rows[0]
    assert rows == [("web", 0), ("web", 1), ("api", 2), ("api", 3)]


def test_links_know_one_span_of_an_id_as_the_real_server_does() -> None:
    root = span(1, 1, service="back", kind="SERVER")
    twin = span(1, 1, service="front", kind="PRODUCER", remote="q")
    child = span(1, 2, parent=1, service="db", kind="PRODUCER", remote="q")
    assert links_of([[root, child]]) == [Link("db", "q", 1)]
    assert links_of([[root, twin, child]]) == []
    first, last = [span(1, 2, parent=1, service=name, kind="CLIENT", remote="q") for name in "ab"]
    assert links_of([[span(1, 1), first, last]]) == [Link("b", "q", 1)]
    servers = [span(1, 2, kind=kind, service="b") for kind in ("SERVER", "CONSUMER")]
    servers[1].shared = True
    assert links_of([[span(1, 1), first, *servers]]) == []


def test_a_span_of_many_parts_is_joined_in_a_moment() -> None:
    parts = []
    for number in range(1, 20_001):
        part = span(1, 1, service="a", tags={f"k{number}": ""})
        part.annotations = [V2Annotation(number, "x")]
        parts.append(part)
    began = time.process_time()
    [joined] = merge(parts)
    assert time.process_time() - began < 2  # a minute and more, where each part is sorted in anew
    assert len(joined.annotations or ()) == len(joined.tags or ()) == 20_000


def test_what_hangs_from_a_second_root_of_one_id_is_left_out_in_a_moment() -> None:
    first = span(1, 1, service="a", kind="SERVER")
    trace = [first, span(1, 1, service="b"), span(1, 30_001, parent=1)]
    trace += [span(1, number + 1, parent=number, service="a") for number in range(1, 30_000)]
    began = time.process_time()
    assert [one.id for one in known(merge(trace))] == [first.id]
    assert time.process_time() - began < 2  # a minute, where each step down looks at all


def placed(made: V2Span, ip: str) -> V2Span:
    made.local_endpoint = V2Endpoint(made.service, ip)
    return made


def test_an_early_server_is_moved_into_the_middle_of_its_client() -> None:
    client = placed(span(1, 1, kind="CLIENT", at_ms=1_000, duration=200_000), "10.0.0.1")
    server = placed(span(1, 2, parent=1, kind="SERVER", at_ms=500, duration=100_000), "10.0.0.2")
    below = placed(span(1, 3, parent=2, at_ms=510, duration=10_000), "10.0.0.2")
    tree = build(merge([client, server, below]))
    correct(tree)
    starts = [s.timestamp for s in spans_in(tree)]
    assert starts == [1_000_000, 1_050_000, 1_060_000]


def test_the_same_host_has_no_skew() -> None:
    client = placed(span(1, 1, kind="CLIENT", at_ms=1_000, duration=200_000), "10.0.0.1")
    server = placed(span(1, 2, parent=1, kind="SERVER", at_ms=500, duration=100_000), "10.0.0.1")
    tree = build(merge([client, server]))
    correct(tree)
    assert [s.timestamp for s in spans_in(tree)] == [1_000_000, 500_000]


@given(traces)
@settings(max_examples=300)
def test_the_critical_path_never_overlaps_itself(trace: list[V2Span]) -> None:
    tree = build(merge(trace))
    pieces = sorted((piece.start_us, piece.end_us) for piece in critical_path(tree))
    for (_, end), (start, _) in pairwise(pieces):
        assert end <= start
    if tree.root is not None and tree.root.span.timestamp:
        assert sum(end - start for start, end in pieces) == (tree.root.span.duration or 0)


def test_the_critical_path_follows_what_was_waited_for() -> None:
    parent = span(1, 1, at_ms=10, duration=100_000)
    quick = span(1, 2, parent=1, at_ms=20, duration=10_000)
    slow = span(1, 3, parent=1, at_ms=20, duration=70_000)
    tree = build(merge([parent, quick, slow]))
    told = [
        (tree.rows[one.at].span.id[-1], one.start_us, one.end_us) for one in critical_path(tree)
    ]
    assert told == [("1", 90_000, 110_000), ("1", 10_000, 20_000), ("3", 20_000, 90_000)]


@given(traces)
def test_any_trace_can_be_shown(trace: list[V2Span]) -> None:
    shown = waterfall(trace)
    assert {row.span.id for row in shown.rows} == {span.id for span in trace}
    for bar in shown.bars(shown.rows):
        assert 0 <= bar.left <= 100
        assert 0 <= bar.left + bar.width <= 100.01
    assert len(hits([trace])) == 1
    both = Comparison(shown, waterfall(trace))
    pairs = both.pairs(both.steps)
    assert both.changed() == []
    assert all(pair.delta_us == 0 for pair in pairs)
    assert len(pairs) == len(shown.rows)


@given(st.lists(st.builds(Link, st.sampled_from("abcdef"), st.sampled_from("abcdef"), ids)))
def test_any_links_can_be_drawn(links: list[Link]) -> None:
    unique = list({(link.parent, link.child): link for link in links}.values())
    graph = lay_out(unique)
    assert len(graph.boxes) == len({name for x in unique for name in (x.parent, x.child)})
    assert len(graph.arrows) == len(unique)
    places = {(box.x, box.y) for box in graph.boxes}
    assert len(places) == len(graph.boxes)


def test_callees_stand_right_of_their_callers() -> None:
    graph = lay_out([Link("c", "d", 1), Link("a", "b", 1), Link("b", "c", 1), Link("a", "c", 1)])
    assert [box.name for box in sorted(graph.boxes, key=lambda box: box.x)] == list("abcd")


def test_of_too_many_services_the_busiest_are_drawn_in_a_moment() -> None:
    links = [Link(f"a{n % 1_000}", f"b{n % 997}", 1 + n % 3, 0) for n in range(100_000)]
    began = time.process_time()
    graph = lay_out(links)
    assert time.process_time() - began < 2
    assert (len(graph.boxes), graph.left_out) == (200, 1_797)


def test_a_realistic_trace_reads_well() -> None:
    [trace] = traffic(1_763_000_000_000_000, 1)
    shown = waterfall(decode_lenient(to_json(trace)))
    assert [row.depth for row in shown.rows] == [0, 1, 2, 3, 4, 5, 4, 5, 2, 3, 4, 5]
    assert shown.members[0][0] in ("edge", "cart")
    assert not shown.headless


def test_durations_read_as_people_say_them() -> None:
    texts = [show_us(us) for us in (0, 870, 12_400, 999_600, 1_320_000, 59_999_999, 125_000_000)]
    assert texts == ["0 µs", "870 µs", "12.4 ms", "1 s", "1.32 s", "1 min 0 s", "2 min 5 s"]
    assert show_us(None) == "?"
