"""What the admin port may ask of the gateway beside it; `edge/process.py` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import deque

    from edge.admin.exemplars import Exemplars
    from edge.answers.face import EdgeFace
    from edge.settings.edge_config import EdgeConfig
    from edge.settings.reload import ConfigSource, Reloaded
    from mesh.routing.router import Router
    from proxy.listener import Listener
    from tracing.exchange import Record


class Running(Protocol):
    """A gateway that runs."""

    face: EdgeFace
    recent: deque[Record]  # the newest last
    last_reload: Reloaded | None
    waits: tuple[str, ...]
    reloads: int
    reloads_failed: int
    exemplars: Exemplars
    unready: str | None

    @property
    def config(self) -> EdgeConfig:
        """The configuration that is in force."""

    @property
    def source(self) -> ConfigSource | None:
        """Where it came from."""

    @property
    def router(self) -> Router:
        """Its router."""

    @property
    def listeners(self) -> list[Listener]:
        """Where the public connects now."""

    async def reload(self) -> Reloaded:
        """Read the file again."""

    def retire(self) -> None:
        """Ask for no more requests."""
