"""What only the gateway counts, by the names that `edge/admin/metrics.py` and `/edge.json` know."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.admin.running import Running


def counts(process: Running) -> dict[str, float]:
    """The counts of one process; they add up over workers."""
    face, settings = process.face, process.face.settings
    found: dict[str, float] = {
        "edge/dropped": face.dropped,
        "edge/ambiguous": face.ambiguous,
        "edge/forced_refused": settings.forced.refused,
        "edge/reloads/done": process.reloads - process.reloads_failed,
        "edge/reloads/failed": process.reloads_failed,
        "edge/connections": float(sum(one.connections for one in process.listeners)),
        "edge/accepted": sum(one.accepted for one in process.listeners),
        "edge/rejected/too_many": sum(one.rejected for one in process.listeners),
        "edge/rejected/before_http": sum(one.failed for one in process.listeners),
        "edge/tunnels": float(sum(one.tunnels for one in process.listeners)),
        "edge/tunnelled": sum(one.tunnelled for one in process.listeners),
        "edge/refused": sum(one.refused for one in process.listeners),
        "edge/trailers_dropped": sum(one.trailers_dropped for one in process.listeners),
        "edge/draining": float(process.unready == "draining"),
    }
    for name, count in settings.limiter.refused.items():
        found[f"edge/rate_limited/{name}"] = count
    if settings.desk is not None:
        found["edge/grants_used"] = settings.desk.used
        for reason, count in settings.desk.refused.items():
            found[f"edge/grants_refused/{reason}"] = count
    if settings.audit is not None:
        found["edge/audit/written"] = settings.audit.written
        found["edge/audit/dropped"] = settings.audit.dropped
    return found


def drain_state(unready: str | None, found: dict[str, float]) -> dict[str, object]:
    """Whether it drains, and what is left."""
    return {"draining": unready == "draining", "connections": int(found["edge/connections"])}
