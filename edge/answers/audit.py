"""The audit: each use of a grant as a JSON line in a file of its own."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from edge.verdict.context import EdgeContext

# What waits for the disk. Beyond it lines are dropped and counted: the audit must not stop traffic.
QUEUE_MAX: Final = 10_000
_FLUSH_S: Final = 0.2
_SHOWN_MAX: Final = 500


class Audit:
    """Appends lines behind the requests' way; opens the file anew each time, so it may rotate."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.written = 0
        self.dropped = 0
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def use(self, context: EdgeContext, outcome: str) -> None:
        """A grant was used: who, what, route, trace."""
        grant = context.grant
        if grant is None:
            return
        trace = context.trace
        self._add(
            {
                "grant": grant.id,
                "name": grant.name,
                "client": context.client,
                "host": context.host.decode("latin-1"),
                "method": context.method.decode("latin-1"),
                "path": _shown(context.target.partition(b"?")[0]),
                "rule": context.place.name if context.place is not None else "",
                "override": _shown(context.local.replace(b"\n", b";")),
                "trace": trace.trace_id.hex() if trace is not None else "",
                "outcome": outcome,
            }
        )

    def refused(self, context: EdgeContext, reason: str) -> None:
        """A grant was dropped."""
        self._add(
            {
                "refused": reason,
                "client": context.client,
                "host": context.host.decode("latin-1"),
                "path": _shown(context.target.partition(b"?")[0]),
            }
        )

    def _add(self, facts: dict[str, Any]) -> None:
        if len(self._lines) >= QUEUE_MAX:
            self.dropped += 1
            return
        now = time.time_ns() // 1_000_000
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1_000))
        line = {"time": f"{stamp}.{now % 1_000:03d}Z", **facts}
        self._lines.append(json.dumps(line, ensure_ascii=True))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what waits. A disk that refuses is counted, and asked again at the next use."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            with self.file.open("a", encoding="ascii") as out:
                out.write("\n".join(lines) + "\n")
            self.written += len(lines)
        except OSError:
            self.dropped += len(lines)


def _shown(text: bytes) -> str:
    return text[:_SHOWN_MAX].decode("latin-1")
