"""Metrics as Linkerd shows them: the flat JSON of the admin page, and its Prometheus text.

Both are made from a snapshot, which can be sent and added up: so one page shows several workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from mesh.stats import QUANTILES, ClientScope, Histogram, Scope, ServiceScope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mesh.routing.router import Router
    from proxy.listener import Listener

Labels = tuple[tuple[str, str], ...]
_K = TypeVar("_K")
_N = TypeVar("_N", int, float)


class ScopeCounts(msgspec.Struct):
    """What one server, service or client has counted.

    Shape: `gauges` add up over workers; of `levels`, which every worker sees whole, the largest
    counts; `buckets` are the latency's counts by bucket, without the empty ones.
    """

    router: str
    kind: str
    name: str
    counters: dict[str, int]
    gauges: dict[str, float]
    levels: dict[str, float]
    sum_us: int
    buckets: dict[int, int]

    def latency(self) -> Histogram:
        """The latency's histogram."""
        made = Histogram()
        for index, count in self.buckets.items():
            made.counts[index] = count
        made.count = sum(self.buckets.values())
        made.sum_us = self.sum_us
        return made


class Snapshot(msgspec.Struct):
    """Everything a process has counted.

    Shape: `more` has names with slashes, such as those of spans; `exemplars` recorded requests by
    service and latency bucket: trace id, duration and begin in microseconds.
    """

    scopes: list[ScopeCounts] = []
    more: dict[str, float] = {}
    exemplars: dict[str, dict[int, tuple[str, int, int]]] = {}


def snapshot(routers: Sequence[Router], more: Mapping[str, float]) -> Snapshot:
    """What is counted now."""
    return Snapshot([one for router in routers for one in _scopes(router)], dict(more))


def _scopes(router: Router) -> Iterator[ScopeCounts]:
    router.settle_counts()
    settings = router.settings
    server = _counts(router, "server", f"{settings.ip}/{settings.port}", router.stats)
    if router.listener is not None:
        _add_connections(server, router.listener)
    yield server
    for service, stats in sorted(router.services.items()):
        yield _counts(router, "service", service.removeprefix("/"), stats)
    for client in router.clients:
        counts = _counts(router, "client", client.name.removeprefix("/"), client.stats)
        counts.levels["loadbalancer/size"] = float(len(client.replicas))
        counts.gauges["connections"] = float(
            sum(replica.pool.connections for replica in client.replicas)
        )
        yield counts


def _add_connections(server: ScopeCounts, listener: Listener) -> None:
    server.counters |= {
        "connects": listener.accepted,
        "connects_rejected": listener.rejected,
        "connects_failed": listener.failed,
        "malformed_requests": listener.refused,
        "tunnels_opened": listener.tunnelled,
    }
    server.gauges |= {
        "connections": float(listener.connections),
        "tunnels": float(listener.tunnels),
    }


def _counts(router: Router, kind: str, name: str, scope: Scope) -> ScopeCounts:
    latency = scope.latency
    return ScopeCounts(
        router=router.settings.label,
        kind=kind,
        name=name,
        counters=dict(_counters(scope)),
        gauges={"pending": float(scope.pending)},
        levels={},
        sum_us=latency.sum_us,
        buckets={index: count for index, count in enumerate(latency.counts) if count},
    )


def _counters(scope: Scope) -> Iterator[tuple[str, int]]:
    yield "requests", scope.requests
    yield "success", scope.success
    yield "failures", scope.failures
    for status, count in sorted(scope.statuses.items()):
        yield f"status/{status or 'error'}", count
    if isinstance(scope, ServiceScope):
        yield "retries/total", scope.retries
        yield "retries/budget_exhausted", scope.budget_exhausted
    if isinstance(scope, ClientScope):
        yield "retries/requeues", scope.requeues
        yield "failed_connects", scope.connect_failures


def add_up(snapshots: Sequence[Snapshot]) -> Snapshot:
    """The sum of several processes."""
    found: dict[tuple[str, str, str], ScopeCounts] = {}
    more: dict[str, float] = {}
    for one in snapshots:
        for scope in one.scopes:
            key = (scope.router, scope.kind, scope.name)
            total = found.setdefault(
                key, ScopeCounts(*key, counters={}, gauges={}, levels={}, sum_us=0, buckets={})
            )
            _add(total.counters, scope.counters)
            _add(total.gauges, scope.gauges)
            _add(total.buckets, scope.buckets)
            for name, level in scope.levels.items():
                total.levels[name] = max(level, total.levels.get(name, level))
            total.sum_us += scope.sum_us
        _add(more, one.more)
    exemplars = {name: buckets for one in snapshots for name, buckets in one.exemplars.items()}
    return Snapshot(list(found.values()), more, exemplars)


def _add(total: dict[_K, _N], more: Mapping[_K, _N]) -> None:
    for key, value in more.items():
        total[key] = total[key] + value if key in total else value


def counted_once(of: Snapshot) -> Snapshot:
    """What stays true of a process that is gone: what it has counted, not what it held."""
    scopes = [msgspec.structs.replace(one, gauges={}, levels={}) for one in of.scopes]
    return Snapshot(scopes, {key: value for key, value in of.more.items() if key not in _HELD})


_HELD = frozenset({"tracing/spans/queued", "edge/connections", "edge/draining", "edge/tunnels"})


def as_json(of: Snapshot) -> dict[str, float]:
    """`/admin/metrics.json`: counters are integers, gauges floats, a histogram is a family of keys.

    Units: ms.
    """
    found: dict[str, float] = {}
    for scope in of.scopes:
        base = f"rt/{scope.router}/{scope.kind}/{scope.name}"
        for key, value in (*scope.counters.items(), *scope.gauges.items(), *scope.levels.items()):
            found[f"{base}/{key}"] = value
        latency = scope.latency()
        stat = f"{base}/request_latency_ms"
        found[f"{stat}.count"] = latency.count
        if latency.count:
            found[f"{stat}.sum"] = latency.sum_us / 1_000
            found[f"{stat}.avg"] = latency.sum_us / latency.count / 1_000
            for suffix, q in _JSON_QUANTILES:
                found[f"{stat}.{suffix}"] = latency.quantile(q) / 1_000
    return found | of.more


_JSON_QUANTILES = (
    ("min", 0.0),
    ("p50", 0.5),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p9990", 0.999),
    ("p9999", 0.9999),
    ("max", 1.0),
)


def as_prometheus(of: Snapshot) -> str:
    """`/admin/metrics/prometheus`, as Linkerd writes it.

    No TYPE lines, `rt:service:requests{rt="out", …}`.
    """
    lines: list[str] = []
    for scope in of.scopes:
        labels = (("rt", scope.router), (scope.kind, scope.name))
        for key, count in scope.counters.items():
            lines.append(_line(f"rt:{scope.kind}:{key.replace('/', ':')}", labels, count))
        for key, value in ({"pending": 0.0} | scope.gauges).items():
            lines.append(_line(f"rt:{scope.kind}:{key.replace('/', ':')}", labels, value))
        lines += _latency(f"rt:{scope.kind}:request_latency_ms", labels, scope.latency())
    lines += [f"{key.replace('/', ':')} {value}" for key, value in of.more.items()]
    return "".join(f"{line}\n" for line in lines)


def _latency(name: str, labels: Labels, latency: Histogram) -> Iterator[str]:
    if not latency.count:
        return
    yield _line(f"{name}_count", labels, latency.count)
    yield _line(f"{name}_sum", labels, latency.sum_us / 1_000)
    yield _line(f"{name}_avg", labels, latency.sum_us / latency.count / 1_000)
    for q in QUANTILES:
        text = f"{q:g}"
        yield _line(name, (*labels, ("quantile", text)), latency.quantile(q) / 1_000)


def _line(name: str, labels: Labels, value: float) -> str:
    inner = ", ".join(f'{key}="{_escape(text)}"' for key, text in labels)
    return f"{name}{{{inner}}} {value}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
