"""One way of a route: the client it leads to, and what every request on it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtab import show
from mesh.stats import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtab import Dtab, Path
    from mesh.routing.clients import Client
    from tracing.exchange import SpanRoute


class Branch:
    """One way of a route: a client, and the header lines that every request on this way gets."""

    __slots__ = ("client", "lines", "span_route", "tags", "tally", "way")

    def __init__(
        self,
        service: bytes,
        tags: Mapping[str, str],
        local: Dtab,
        client: Client,
        residual: Path,
    ) -> None:
        self.client = client
        self.tally = Tally()
        lines = [
            b"\r\nl5d-dst-service: ",
            service,
            b"\r\nl5d-dst-client: ",
            client.name.encode(),
        ]
        own = {**tags, "client": client.name}
        if residual.labels:
            lines += [b"\r\nl5d-dst-residual: ", str(residual).encode()]
            own["residual"] = str(residual)
        if len(local):
            lines += [b"\r\nl5d-ctx-dtab: ", show(local).encode()]
        self.lines = b"".join(lines)
        self.tags = own
        self.way: dict[str, str] | None = None  # the tags and the trail; made by the first span
        self.span_route: SpanRoute | None = None  # made by the first exchange that is recorded
