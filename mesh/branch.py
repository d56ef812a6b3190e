"""One way of a route: the client it leads to, and what every request on it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtab import show
from mesh.stats import Tally

if TYPE_CHECKING:
    from dtab import Path
    from mesh.clients import Client
    from mesh.routes import Route
    from tracing.exchange import SpanRoute


class Branch:
    """One way of a route: a client, and the header lines that every request on this way gets."""

    __slots__ = ("client", "lines", "span_route", "tags", "tally", "way")

    def __init__(self, route: Route, client: Client, residual: Path) -> None:
        self.client = client
        self.tally = Tally()
        lines = [
            b"\r\nl5d-dst-service: ",
            route.name,
            b"\r\nl5d-dst-client: ",
            client.name.encode(),
        ]
        tags = {**route.tags, "client": client.name}
        if residual.labels:
            lines += [b"\r\nl5d-dst-residual: ", str(residual).encode()]
            tags["residual"] = str(residual)
        if len(route.local):
            lines += [b"\r\nl5d-ctx-dtab: ", show(route.local).encode()]
        self.lines = b"".join(lines)
        self.tags = tags
        self.way: dict[str, str] | None = None  # the tags and the trail; made by the first span
        self.span_route: SpanRoute | None = None  # made by the first exchange that is recorded
