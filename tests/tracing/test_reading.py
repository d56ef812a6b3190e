"""What the pages make of spans: names, the story of a way, sums over ways, two traces, points."""

import pytest

from tests.kits.span_store import span
from tracing.pipeline.links import Link
from tracing.pipeline.model import V2Endpoint, V2Span
from tracing.ui.compare import Comparison
from tracing.ui.graph import lay_out
from tracing.ui.hits import hits, plot, tags_of
from tracing.ui.names import member_of, name_of, node_of, short_client
from tracing.ui.story import lines, story
from tracing.ui.view import waterfall
from tracing.ui.ways import sum_up

NODE_1 = "/%/io.weir.localnode/10.0.0.1/#/io.l5d.fs/"
NODE_2 = "/%/io.weir.localnode/10.0.0.2/#/io.l5d.fs/"


def hop(
    number: int,
    label: str,
    service: str,
    client: str,
    trace: int = 1,
    tags: dict[str, str] | None = None,
) -> list[V2Span]:
    """The two spans of a router: number and number + 1, below number - 1."""
    way = {"router.label": label, "service": service, "client": client, **(tags or {})}
    parent = number - 1
    at_ms, duration = 1_000 + number, 90_000 - number * 1_000
    server = span(
        trace, number, parent=parent, kind="SERVER", at_ms=at_ms, duration=duration, tags=way
    )
    asked = span(
        trace, number + 1, parent=number, kind="CLIENT", at_ms=at_ms, duration=duration, tags=way
    )
    server.local_endpoint = V2Endpoint("127.0.0.11/4141", "127.0.0.11", None, 4_141)
    asked.local_endpoint = V2Endpoint(client[1:])
    asked.remote_endpoint = V2Endpoint(None, "127.0.1.1", None, 7_777)
    return [server, asked]


def request(
    version: str, node: str = NODE_1, trace: int = 1, tags: dict[str, str] | None = None
) -> list[V2Span]:
    """hello, that asks world."""
    return [
        *hop(1, "edge", "/svc/www", "/#/io.l5d.fs/hello", trace, tags),
        *hop(3, "incoming", "/svc/www", node + "hello", trace, tags),
        *hop(5, "outgoing", "/svc/world", f"/#/io.l5d.fs/world-{version}", trace, tags),
    ]


@pytest.mark.parametrize(
    ("client", "short", "node"),
    [
        ("/#/io.l5d.fs/world-v2", "world-v2", "/#/io.l5d.fs/world-v2"),
        (NODE_2 + "a/b", "a/b", "10.0.0.2"),
        ("/$/inet/10.0.0.7/80", "10.0.0.7/80", "/$/inet/10.0.0.7/80"),
        ("/#/", "", "/#/"),
        ("plain", "plain", "plain"),
        ("", "", ""),
    ],
)
def test_a_client_is_called_by_its_last_namer_and_told_apart_by_its_node(
    client: str, short: str, node: str
) -> None:
    assert (short_client(client), node_of(client)) == (short, node)


def test_a_routers_spans_are_named_by_label_and_way_and_others_by_service() -> None:
    server, client = hop(1, "incoming", "/svc/world", NODE_1 + "world-v2")
    assert name_of(server) == ("incoming", "/svc/world")
    assert name_of(client) == ("incoming", "→ world-v2")
    assert [member_of(one) for one in (server, client)] == ["incoming", "world-v2"]
    linkerds = span(1, 3, service="#/io.l5d.fs/world", name="get")
    assert name_of(linkerds) == ("→ world", "get")
    assert member_of(linkerds) == "world"
    assert name_of(span(1, 4, service="cart", name="get")) == ("cart", "get")


def test_a_story_says_each_fact_once_and_what_an_override_did() -> None:
    told = list(
        lines(
            story(
                waterfall(
                    request(
                        "v1",
                        tags={
                            "dtab.local": "/host/world=>/srv/nobody",
                            "dtab.trail": "/svc=>/host;/host=>/srv",
                        },
                    )
                )
            )
        )
    )
    assert told[0] == "edge /svc/www at 127.0.0.11:4141, 89 ms"
    assert told[1:7] == [
        "    service       /svc/www",
        "    override      /host/world=>/srv/nobody",
        "                  no dentry of the override led here",
        "    dentries      /svc=>/host",
        "                  /host=>/srv",
        "    bound to      /#/io.l5d.fs/hello",
    ]
    assert told[7] == "  edge → hello to 127.0.1.1:7777, 89 ms"
    assert sum("no dentry" in line for line in told) == 1


def test_a_story_survives_what_is_no_table() -> None:
    spans = request("v1", tags={"dtab.local": "<b>", "dtab.trail": "=>;;"})
    assert any("=>;;" in line for line in lines(story(waterfall(spans))))


def test_spans_in_a_circle_of_parents_are_shown_at_the_end() -> None:
    shown = waterfall([span(1, 2, parent=3), span(1, 3, parent=2), span(1, 1)])
    assert [row.span.id[-1] for row in shown.rows] == ["1", "2", "3"]
    assert shown.cut_off == 2
    assert waterfall([span(1, 2, parent=3), span(1, 3, parent=2)]).cut_off == 2


def test_a_parent_that_is_missing_and_the_tails_policy_are_told() -> None:
    lost = span(1, 5, parent=4)
    kept = span(1, 2, parent=1, tags={"weir.kept": "slow"})
    shown = waterfall([span(1, 1), kept, lost])
    assert shown.orphans == {lost.parent_id}
    assert [bar.orphan for bar in shown.bars(shown.rows)].count(True) == 1
    assert shown.kept == "slow"
    shared = span(1, 7, parent=9, kind="SERVER", service="api")
    shared.shared = True
    assert waterfall([span(1, 7, parent=1, kind="CLIENT"), span(1, 1), shared]).orphans == set()


def test_ways_are_summed_by_version_whatever_the_node() -> None:
    traces = [request("v1", NODE_1, n) for n in range(1, 7)]
    traces += [request("v1", NODE_2, n) for n in range(7, 9)]
    traces += [request("v2", NODE_2, n, {"error": "503"}) for n in range(9, 11)]
    summed = sum_up(traces)
    by = {(way.router, way.client): way for way in summed.ways}
    assert {key: (way.calls, way.share, way.errors) for key, way in by.items()} == {
        ("edge", "hello"): (10, 100.0, 2),
        ("incoming", "hello"): (10, 100.0, 2),
        ("outgoing", "world-v1"): (8, 80.0, 0),
        ("outgoing", "world-v2"): (2, 20.0, 2),
    }
    assert by["incoming", "hello"].clients == {NODE_1 + "hello", NODE_2 + "hello"}
    assert by["outgoing", "world-v2"].took(50) == "85 ms"
    assert by["outgoing", "world-v2"].beside is by["outgoing", "world-v1"]
    assert by["outgoing", "world-v1"].beside is None
    assert [(link.parent, link.child, link.call_count) for link in summed.links] == [
        ("edge", "hello", 10),
        ("hello", "world-v1", 8),
        ("hello", "world-v2", 2),
    ]


def test_a_ways_query_finds_its_spans_by_their_tags() -> None:
    [way] = sum_up([hop(1, "out", "/svc/a", "/#/fs/a", tags={"dtab.version": "aa"})]).ways
    assert way.query("/#/fs/a") == (
        "router.label=out and service=/svc/a and client=/#/fs/a and dtab.version=aa"
    )


def test_two_versions_are_compared_step_by_step_and_told_apart_once() -> None:
    both = Comparison(waterfall(request("v1", NODE_1)), waterfall(request("v2", NODE_2)))
    pairs = both.pairs(both.steps)
    assert all(pair.a and pair.b for pair in pairs)
    assert [pair.differs for pair in pairs if pair.differs] == [
        (("client", "world-v1", "world-v2"),)
    ]
    alone = Comparison(waterfall(request("v1")), waterfall(request("v1")[:4]))
    deltas = [pair.delta for pair in alone.pairs(alone.steps)]
    assert deltas == ["0 µs"] * 4 + ["only in A"] * 2


def test_of_two_traces_only_what_changed_is_left() -> None:
    def trace(slow_us: int, **tags: str) -> list[V2Span]:
        calls = [span(1, n, parent=1, name=f"call {n}", duration=1_000) for n in (2, 3, 4)]
        calls[0].duration = slow_us
        calls[1].tags = tags
        return [span(1, 1, duration=100_000), *calls]

    def left(a: list[V2Span], b: list[V2Span]) -> list[str | None]:
        both = Comparison(waterfall(a), waterfall(b))
        return [pair.either.span.name for pair in both.pairs(both.changed())]

    assert left(trace(1_000), trace(2_000)) == []  # a hundredth of the whole
    assert left(trace(1_000), trace(2_001)) == ["call 2"]
    assert left(trace(1_000), trace(1_000, error="")) == ["call 3"]
    assert left(trace(1_000), trace(1_000)[:3]) == ["call 4"]
    both = Comparison(waterfall(trace(1, error="")), waterfall([*trace(1), span(1, 9, parent=1)]))
    assert both.sums() == (0, 1, 1, 0)


def test_points_stand_by_time_and_by_the_logarithm_of_their_duration() -> None:
    found = hits([[span(n, 1, at_ms=n * 10, duration=10**n)] for n in (1, 3, 5)])
    drawn = plot(found)
    assert drawn is not None
    assert [(point.x, point.y) for point in drawn.points] == [(1, 92), (50, 50), (99, 8)]
    assert (drawn.shortest, drawn.longest) == ("10 µs", "100 ms")
    assert plot(found[:1]) is None


def test_a_call_over_columns_passes_the_boxes_between_them() -> None:
    calls = [Link("a", "b", 1), Link("b", "c", 1), Link("a", "c", 9), Link("a", "d", 1)]
    graph = lay_out([*calls, Link("d", "c", 1)])
    between = [box for box in graph.boxes if box.name in "bd"]
    curve = next(
        one.curve for one in graph.arrows if (one.link.parent, one.link.child) == ("a", "c")
    )
    start, straight = curve.split("H")
    lane = float(start.split()[-1])
    assert float(straight.split()[0]) == max(box.x for box in between) + 170  # past both
    assert all(not box.y < lane < box.y + 30 for box in between)
    [alone] = lay_out(calls[:1]).arrows
    _, y1, *_, y2 = alone.curve.replace("M", "").split()
    assert y1 == y2
    assert "H" not in alone.curve


def test_a_services_calls_that_are_shared_out_show_their_shares() -> None:
    def trace(number: int, version: str) -> list[V2Span]:
        return request(version, trace=number)

    summed = sum_up([trace(number, "v2" if number > 8 else "v1") for number in range(1, 11)])
    assert summed.shares["hello", "world-v1"] == 80
    labels = {
        (arrow.link.parent, arrow.link.child): arrow.label
        for arrow in lay_out(summed.links, summed.shares).arrows
    }
    assert labels == {
        ("edge", "hello"): "10",
        ("hello", "world-v1"): "8 · 80 %",
        ("hello", "world-v2"): "2 · 20 %",
    }
    assert summed.clients["world-v2"] == "/#/io.l5d.fs/world-v2"


def test_a_way_leads_to_the_trace_of_a_percentile() -> None:
    def trace(number: int) -> list[V2Span]:
        spans = hop(1, "out", "/svc/a", "/#/fs/a", trace=number)
        spans[1].duration = 1_000 * number
        return spans

    [way] = sum_up([trace(number) for number in (3, 1, 5, 2, 4)]).ways
    assert (way.took(50), way.trace(50)) == ("3 ms", f"{3:016x}")
    assert (way.took(99), way.trace(99)) == ("5 ms", f"{5:016x}")


def test_a_hits_time_is_by_its_roots_clock() -> None:
    root = span(1, 1, kind="CLIENT", at_ms=1_000, duration=90_000)
    late = span(1, 2, parent=1, kind="SERVER", at_ms=2, duration=40_000)
    root.local_endpoint = V2Endpoint("front", "10.0.0.1")
    late.local_endpoint = V2Endpoint("back", "10.0.0.2")
    [hit] = hits([[late, root]])
    assert (hit.start_us, hit.took_us) == (1_000_000, 90_000)


def test_a_hit_says_that_its_request_was_steered() -> None:
    table = "/host/world=>/srv/world-v2"
    plain, own = hits([request("v1"), request("v2", tags={"dtab.local": table})])
    assert (plain.steered, own.steered) == ("", table)
    assert waterfall(request("v2", tags={"dtab.local": table})).steering == [("dtab.local", table)]


def test_tags_that_people_search_by_are_offered() -> None:
    found = tags_of([request("v1"), request("v2", tags={"dtab.trail": "/a=>/b", "x": "y"})], 2)
    assert found["client"] == {"/#/io.l5d.fs/hello", NODE_1 + "hello"}  # so many, no more
    assert found["service"] == {"/svc/www", "/svc/world"}
    assert set(found) == {"router.label", "service", "client"}
