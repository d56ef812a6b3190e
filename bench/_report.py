"""Figures as a table and as a picture, with ratios to nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench._plot import bars

if TYPE_CHECKING:
    from bench._measure import Figure

_COLUMNS: Final = (
    ("", 14),
    ("CPU µs/req", 12),
    ("ratio", 8),
    ("req/s", 10),
    ("p50 ms", 9),
    ("p99 ms", 9),
    ("MiB", 8),
    ("errors", 8),
)


def show(figures: list[Figure]) -> str:
    """A table with ratios to nginx, load by load."""
    lines = []
    for load, rows in _by_load(figures):
        base = _base(rows)
        lines += [
            f"\n{load} (ratios to {base.name})",
            "".join(f"{title:>{width}}" for title, width in _COLUMNS),
        ]
        lines += [
            f"{one.name:14}{one.cpu_us:12.1f}{one.cpu_us / base.cpu_us:8.2f}"
            f"{one.requests_per_s:10.0f}{one.p50_ms:9.2f}{one.p99_ms:9.2f}"
            f"{one.memory_mib:8.0f}{one.errors:8d}"
            for one in rows
        ]
    return "\n".join(lines)


def picture(figures: list[Figure]) -> str:
    """Ratios to nginx as bars."""
    groups = {
        load: {
            one.name: (one.cpu_us / _base(rows).cpu_us, f"{one.cpu_us:.0f} µs")
            for one in rows
            if one.cpu_us > 0  # not of who answered nothing
        }
        for load, rows in _by_load(figures)
    }
    return bars("CPU of the proxy, for a request; nginx = 1", groups)


def _by_load(figures: list[Figure]) -> list[tuple[str, list[Figure]]]:
    loads = dict.fromkeys(one.load for one in figures)
    return [(load, [one for one in figures if one.load == load]) for load in loads]


def _base(rows: list[Figure]) -> Figure:
    return next((one for one in rows if one.name == "nginx"), rows[0])
