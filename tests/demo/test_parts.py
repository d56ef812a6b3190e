"""The pure parts: where a call goes, what it carries, what a histogram says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.address import plain, split
from demo.context import carried
from demo.histogram import Histogram
from demo.tally import Tally
from demo.way import proxy_for


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        (":7777", ("", 7777)),
        ("127.0.1.5:7777", ("127.0.1.5", 7777)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_an_address_is_split_as_go_splits_it(address: str, parts: tuple[str, int]) -> None:
    assert split(address) == parts


def test_a_peer_of_a_dual_socket_is_written_as_ipv4() -> None:
    assert plain(("::ffff:127.0.0.1", 80, 0, 0)) == "127.0.0.1:80"
    assert plain(("::1", 80, 0, 0)) == "[::1]:80"


PROXY = "http://10.0.0.1:4140"


@pytest.mark.parametrize(
    ("host", "env", "proxy"),
    [
        ("world", {}, None),
        ("world", {"http_proxy": ""}, None),
        ("world", {"http_proxy": PROXY}, PROXY),
        ("world", {"http_proxy": "10.0.0.1:4140"}, PROXY),
        ("world", {"http_proxy": "http://10.9.9.9", "HTTP_PROXY": PROXY}, PROXY),
        ("localhost:7777", {"http_proxy": PROXY}, None),
        ("127.0.1.5:7777", {"http_proxy": PROXY}, None),
        ("[::1]:7777", {"http_proxy": PROXY}, None),
        ("world:80", {"http_proxy": PROXY, "no_proxy": "hello, world"}, None),
        ("a.world", {"http_proxy": PROXY, "no_proxy": ".world"}, None),
        ("aworld", {"http_proxy": PROXY, "no_proxy": ".world,"}, PROXY),
        ("world", {"http_proxy": PROXY, "NO_PROXY": "*"}, None),
        ("10.1.2.3:80", {"http_proxy": PROXY, "no_proxy": "10.1.0.0/16"}, None),
    ],
)
def test_the_environment_says_which_proxy(
    host: str, env: dict[str, str], proxy: str | None
) -> None:
    assert proxy_for(host, env) == proxy


def test_context_headers_go_along_with_their_first_value() -> None:
    arrived = [
        (b"L5d-Ctx-Trace", b"one"),
        (b"l5d-ctx-trace", b"two"),
        (b"l5d-ctx-dtab", b"/a=>/b"),
        (b"l5d-dtab", b"/a=>/c"),
        (b"l5d-reqid", b"x"),
        (b"traceparent", b"00-1"),
        (b"tracestate", b"a=b"),
        (b"X-B3-TraceId", b"1"),
        (b"b3", b"0"),
        (b"b3x", b"0"),
        (b"cookie", b"c"),
    ]
    assert carried(arrived) == [
        (b"l5d-ctx-trace", b"one"),
        (b"l5d-ctx-dtab", b"/a=>/b"),
        (b"traceparent", b"00-1"),
        (b"tracestate", b"a=b"),
        (b"x-b3-traceid", b"1"),
        (b"b3", b"0"),
    ]


@given(st.lists(st.integers(1, 10**9), min_size=1), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_at_most_two_percent_above_the_real_one(
    latencies: list[int], share: float
) -> None:
    histogram = Histogram()
    for latency in latencies:
        histogram.add(latency)
    rank = max(1, -(-len(latencies) * int(share * 100) // 100))
    real = sorted(latencies)[rank - 1]
    assert real <= histogram.quantile_us(share) <= real * 1.03 + 1


def test_an_empty_histogram_says_nothing() -> None:
    assert Histogram().quantile_us(0.99) == 0


def test_a_tally_is_shown_as_lines_and_as_json() -> None:
    tally = Tally(elapsed_s=2.0)
    tally.status.update([200, 200, 503])
    tally.errors["timeout"] += 1
    for latency in (1_000, 2_000, 30_000):
        tally.latency.add(latency)
    assert tally.summary() == (
        "requests  4 in 2.0s (2.0/s)\n"
        "status    200: 2  503: 1\n"
        f"latency   p50 {tally.latency.quantile_us(0.5) / 1_000:.1f}ms  p95 30.0ms  p99 30.0ms"
        "  max 30.0ms\n"
        "errors    timeout: 1"
    )
    said = json.loads(tally.to_json())
    assert (said["requests"], said["answers"], said["status"]) == (4, 3, {"200": 2, "503": 1})
    assert said["latency_ms"]["max"] == 30.0
    assert "errors: 1" in tally.line()
