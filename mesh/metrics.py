"""Metrics as Linkerd shows them: the flat JSON of the admin page, and its Prometheus text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.stats import QUANTILES, ClientScope, Scope, ServiceScope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mesh.router import Router

Labels = tuple[tuple[str, str], ...]


def _scopes(router: Router) -> Iterator[tuple[str, str, Scope]]:
    router.settle_counts()
    settings = router.settings
    yield "server", f"{settings.ip}/{settings.port}", router.stats
    for service, stats in sorted(router.services.items()):
        yield "service", service.removeprefix("/"), stats
    for client in router.clients:
        yield "client", client.name.removeprefix("/"), client.stats


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


def as_json(routers: Sequence[Router]) -> dict[str, float]:
    """`/admin/metrics.json`: counters are integers, gauges floats, a histogram is a family of keys.

    Units: ms.
    """
    found: dict[str, float] = {}
    for router in routers:
        for kind, name, scope in _scopes(router):
            base = f"rt/{router.settings.label}/{kind}/{name}"
            for key, count in _counters(scope):
                found[f"{base}/{key}"] = count
            found[f"{base}/pending"] = float(scope.pending)
            latency = scope.latency
            stat = f"{base}/request_latency_ms"
            found[f"{stat}.count"] = latency.count
            if latency.count:
                found[f"{stat}.sum"] = latency.sum_us / 1_000
                found[f"{stat}.avg"] = latency.sum_us / latency.count / 1_000
                for suffix, q in _JSON_QUANTILES:
                    found[f"{stat}.{suffix}"] = latency.quantile(q) / 1_000
        for client in router.clients:
            base = f"rt/{router.settings.label}/client/{client.name.removeprefix('/')}"
            found[f"{base}/loadbalancer/size"] = float(len(client.replicas))
            found[f"{base}/connections"] = float(
                sum(replica.pool.connections for replica in client.replicas)
            )
    return found


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


def as_prometheus(routers: Sequence[Router]) -> str:
    """`/admin/metrics/prometheus`, as Linkerd writes it.

    No TYPE lines, `rt:service:requests{rt="out", …}`.
    """
    lines: list[str] = []
    for router in routers:
        for kind, name, scope in _scopes(router):
            labels = (("rt", router.settings.label), (kind, name))
            for key, count in _counters(scope):
                lines.append(_line(f"rt:{kind}:{key.replace('/', ':')}", labels, count))
            lines.append(_line(f"rt:{kind}:pending", labels, float(scope.pending)))
            lines += _latency(f"rt:{kind}:request_latency_ms", labels, scope)
    return "".join(f"{line}\n" for line in lines)


def _latency(name: str, labels: Labels, scope: Scope) -> Iterator[str]:
    latency = scope.latency
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
