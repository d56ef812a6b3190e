"""Which ways requests took: a service's clients with their shares, summed over traces. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tracing.pipeline.links import Link
from tracing.pipeline.model import V2Span
from tracing.ui.names import member_of, short_client, show_us
from tracing.ui.view import Waterfall, is_error, waterfall

WAYS_MAX: Final = 500


@dataclass(slots=True)
class Way:
    """Calls of one router for a service to one client under one table.

    Shape: `client` is its short name, `clients` the whole ones: each node may have its own; `seen`
    has each call's duration and trace; `beside` is the service's busiest way at that router, None
    for that one itself. Units: share is percent of the service's calls there, durations are µs.
    """

    router: str
    service: str
    client: str
    version: str
    local: str
    clients: set[str] = field(default_factory=set)
    calls: int = 0
    errors: int = 0
    share: float = 0.0
    seen: list[tuple[int, str]] = field(default_factory=list)
    beside: "Way | None" = None

    def took(self, percent: int) -> str:
        """A percentile of the calls' durations."""
        return show_us(self._at(percent)[0])

    def trace(self, percent: int) -> str:
        """The trace of the call at a percentile."""
        return self._at(percent)[1]

    def _at(self, percent: int) -> tuple[int, str]:
        return sorted(self.seen)[min(len(self.seen) * percent // 100, len(self.seen) - 1)]

    def query(self, client: str) -> str:
        """The search for the traces that went this way."""
        tags = {
            "router.label": self.router,
            "service": self.service,
            "client": client,
            "dtab.version": self.version,
            "dtab.local": self.local,
        }
        return " and ".join(f"{key}={value}" for key, value in tags.items() if value)


@dataclass(frozen=True, slots=True)
class Summed:
    """What some traces say of ways.

    Shape: `links` join callers and clients by short name; `clients` has the busiest whole name of
    each short one. Units: shares are percent of a caller's calls of the same service.
    """

    traces: int
    ways: list[Way]
    links: list[Link]
    shares: dict[tuple[str, str], float]
    clients: dict[str, str]
    left_out: int


def sum_up(traces: Sequence[Sequence[V2Span]]) -> Summed:
    """The ways that the traces' client spans took, the busiest first."""
    ways: dict[tuple[str, ...], Way] = {}
    totals: Counter[tuple[str, str]] = Counter()
    clients: dict[str, Counter[str]] = {}
    asked: Counter[tuple[str, str, str]] = Counter()
    errors: Counter[tuple[str, str]] = Counter()
    for spans in traces:
        for span in _routed(spans):
            tags = span.tags or {}
            router, service = tags["router.label"], tags["service"]
            more = (
                short_client(tags["client"]),
                tags.get("dtab.version", ""),
                tags.get("dtab.local", ""),
            )
            way = ways.setdefault((router, service, *more), Way(router, service, *more))
            way.clients.add(tags["client"])
            clients.setdefault(way.client, Counter())[tags["client"]] += 1
            way.calls += 1
            way.errors += is_error(span)
            way.seen.append((span.duration or 0, span.trace_id))
            totals[router, service] += 1
        for caller, callee, service, failed in _calls(waterfall(spans)):
            asked[caller, callee, service] += 1
            errors[caller, callee] += failed
    for way in ways.values():
        way.share = round(100 * way.calls / totals[way.router, way.service], 1)
    ordered = sorted(
        ways.values(), key=lambda w: (-totals[w.router, w.service], w.router, w.service, -w.calls)
    )
    busiest: dict[tuple[str, str], Way] = {}
    for way in ordered:
        first = busiest.setdefault((way.router, way.service), way)
        way.beside = None if first is way else first
    return Summed(
        traces=len(traces),
        ways=ordered[:WAYS_MAX],
        links=_links(asked, errors),
        shares=_shares(asked),
        clients={short: counted.most_common(1)[0][0] for short, counted in clients.items()},
        left_out=max(len(ordered) - WAYS_MAX, 0),
    )


def _links(
    asked: Mapping[tuple[str, str, str], int], errors: Mapping[tuple[str, str], int]
) -> list[Link]:
    calls: Counter[tuple[str, str]] = Counter()
    for (caller, callee, _), number in asked.items():
        calls[caller, callee] += number
    return [Link(*pair, number, errors[pair]) for pair, number in sorted(calls.items())]


def _shares(asked: Mapping[tuple[str, str, str], int]) -> dict[tuple[str, str], float]:
    """Which part of a service's calls a client got. A pair of several services has none."""
    services: Counter[tuple[str, str]] = Counter()
    pairs = Counter((caller, callee) for caller, callee, _ in asked)
    for (caller, _, service), number in asked.items():
        services[caller, service] += number
    return {
        (caller, callee): round(100 * number / services[caller, service], 1)
        for (caller, callee, service), number in asked.items()
        if service and pairs[caller, callee] == 1
    }


def _routed(spans: Sequence[V2Span]) -> Iterable[V2Span]:
    wanted = {"router.label", "service", "client"}
    return (span for span in spans if span.kind == "CLIENT" and wanted <= (span.tags or {}).keys())


def _calls(trace: Waterfall) -> Iterable[tuple[str, str, str, bool]]:
    """Caller, callee, service name, failed.

    A row of hops for one client is one call of whoever began it.
    """
    at: list[str] = []
    for row in trace.rows:
        del at[row.depth :]
        here = at[-1] if at else None
        who = member_of(row.span)
        hop = row.span.kind == "SERVER" and "router.label" in (row.span.tags or {})
        if here is None:
            at.append(who)
        elif hop or who == here:
            at.append(here)
        else:
            at.append(who)
            yield here, who, (row.span.tags or {}).get("service", ""), is_error(row.span)
