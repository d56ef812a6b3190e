"""The gateway's metrics: Prometheus text, or OpenMetrics with traces as exemplars, by Accept.

Base units, `_total`, `_seconds`. Labels come from the configuration or from a closed family, and
services are counted together beyond a thousand, so no outsider makes a series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from edge.admin.exemplars import EDGES_S, bucket_of
from mesh.stats import upper_edge_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mesh.admin.metrics import ScopeCounts, Snapshot

# What `counts` writes into a snapshot: key, then metric, label ("" for none) and help.
COUNTERS: Final = {
    "edge/dropped": ("dropped_requests", "", "Requests that said what they may not say"),
    "edge/ambiguous": ("ambiguous_paths", "", "Requests whose path has two readings"),
    "edge/rate_limited": ("rate_limited", "limit", "Requests beyond a rate limit"),
    "edge/grants_used": ("grants_used", "", "Requests with a good grant"),
    "edge/grants_refused": ("grants_refused", "reason", "Requests whose grant counts for nothing"),
    "edge/forced_refused": ("forced_samples_refused", "", "Forced samples beyond their budget"),
    "edge/audit": ("audit_lines", "outcome", "Lines for the audit"),
    "edge/reloads": ("config_reloads", "outcome", "Reloads of the configuration"),
    "edge/accepted": ("connections_accepted", "", "Connections accepted"),
    "edge/rejected": ("connections_rejected", "reason", "Connections that got no answer"),
    "edge/tunnelled": ("tunnels_opened", "", "Connections that became a WebSocket's"),
    "edge/refused": ("malformed_requests", "", "Bytes that were no request"),
    "edge/trailers_dropped": ("trailers_dropped", "", "Trailers that only a head may carry"),
    "tracing/spans/recorded": ("spans_recorded", "", "Spans written down"),
    "tracing/spans/exported": ("spans_exported", "", "Spans that the collector has taken"),
    "tracing/spans/dropped": ("spans_dropped", "reason", "Spans that were lost"),
    "access_log/written": ("access_log_lines_written", "", "Lines of the access log"),
    "access_log/dropped": ("access_log_lines_dropped", "", "Lines that the disk did not take"),
}
GAUGES: Final = {
    "edge/connections": ("connections", "Open connections of clients"),
    "edge/tunnels": ("tunnels", "Connections that are a WebSocket's now"),
    "edge/draining": ("draining", "Workers that ask for no more requests"),
    "tracing/spans/queued": ("spans_queued", "Spans that wait to be sent"),
}
_PREFIX: Final = "weir_edge_"


def exposition(of: Snapshot, accept: str) -> tuple[bytes, str]:
    """The text that a scraper asks for by its Accept, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(of))
    encode, content_type = choose_encoder(accept)
    text: bytes = encode(registry)
    return text, content_type


class _Collector(Collector):
    def __init__(self, of: Snapshot) -> None:
        self._of = of

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        yield from _requests(self._of)
        yield _durations(self._of)
        yield from _retries(self._of)
        yield from _counters(self._of)
        for key, (name, told) in GAUGES.items():
            if key in self._of.more:
                yield GaugeMetricFamily(_PREFIX + name, told, self._of.more[key])


def _requests(of: Snapshot) -> Iterator[Metric]:
    everything = CounterMetricFamily(_PREFIX + "requests", "Requests by status", labels=["code"])
    services = CounterMetricFamily(
        _PREFIX + "service_requests", "Requests of a service", labels=["service", "code"]
    )
    pending = GaugeMetricFamily(
        _PREFIX + "requests_in_flight", "Requests under way", labels=["service"]
    )
    for scope in of.scopes:
        codes = {
            key.removeprefix("status/"): count
            for key, count in scope.counters.items()
            if key.startswith("status/")
        }
        for code, count in codes.items():
            if scope.kind == "server":
                everything.add_metric([code], count)
            elif scope.kind == "service":
                services.add_metric([_service(scope), code], count)
        if scope.kind == "service":
            pending.add_metric([_service(scope)], scope.gauges.get("pending", 0.0))
    yield everything
    yield services
    yield pending


def _service(scope: ScopeCounts) -> str:
    return scope.name if scope.name == "other" else f"/{scope.name}"


def _durations(of: Snapshot) -> Metric:
    family = HistogramMetricFamily(
        _PREFIX + "request_duration_seconds",
        "From a request's head to the end of its answer",
        labels=["service"],
    )
    for scope in of.scopes:
        if scope.kind != "service":
            continue
        counts = [0] * (len(EDGES_S) + 1)
        for index, count in scope.buckets.items():
            counts[bucket_of(upper_edge_us(index))] += count
        shown = of.exemplars.get(_service(scope), {})
        total = 0.0
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for number, count in enumerate(counts):
            total += count
            edge = str(EDGES_S[number]) if number < len(EDGES_S) else "+Inf"
            if number in shown:
                trace, elapsed_us, start_us = shown[number]
                exemplar = Exemplar({"trace_id": trace}, elapsed_us / 1e6, start_us / 1e6)
                buckets.append((edge, total, exemplar))
            else:
                buckets.append((edge, total))
        family.add_metric([_service(scope)], buckets, scope.sum_us / 1e6)
    return family


def _retries(of: Snapshot) -> Iterator[Metric]:
    told = {
        "retries/total": ("retries", "Requests that were sent again"),
        "retries/budget_exhausted": ("retry_budget_exhausted", "Retries beyond their budget"),
    }
    for key, (name, text) in told.items():
        family = CounterMetricFamily(_PREFIX + name, text, labels=["service"])
        for scope in of.scopes:
            if scope.kind == "service":
                family.add_metric([_service(scope)], scope.counters.get(key, 0))
        yield family


def _counters(of: Snapshot) -> Iterator[Metric]:
    for key, (name, label, told) in COUNTERS.items():
        if not label:
            if key in of.more:
                yield CounterMetricFamily(_PREFIX + name, told, of.more[key])
            continue
        family = CounterMetricFamily(_PREFIX + name, told, labels=[label])
        for more, count in of.more.items():
            if more.startswith(f"{key}/"):
                family.add_metric([more.removeprefix(f"{key}/")], count)
        yield family
