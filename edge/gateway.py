"""What both front doors stand on: face, router and namers of one configuration, swapped whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.assembly import assemble
from edge.settings.reload import in_force
from mesh.routing.router import Router
from mesh.wiring.routers import Namers, make_transformers
from naming.interpreter import ConfiguredInterpreter

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.answers.face import EdgeFace, FaceSettings
    from edge.settings.edge_config import EdgeConfig
    from mesh.deps import Deps
    from proxy.tasks import Tasks

# Namers of before a reload, kept for those who still wait for their answers.
_RETIRED_MAX: Final = 4


class Gateway:
    """Started and stopped once, given new configurations at any time."""

    def __init__(self, config: EdgeConfig, make_face: Callable[[FaceSettings], EdgeFace]) -> None:
        self.assembly = assemble(config)
        self.face = make_face(self.assembly.face)
        self.namers = Namers(config.namers)
        self._router: Router | None = None
        self._retired: list[Namers] = []

    @property
    def config(self) -> EdgeConfig:
        """The configuration that is in force."""
        return self.assembly.config

    @property
    def router(self) -> Router:
        """The router, once it is started."""
        assert self._router is not None
        return self._router

    async def start(self, deps: Deps, tasks: Tasks) -> None:
        """Make the router. Whoever calls has started the namers."""
        interpreter = self._interpreter(self.config)
        self._router = Router(self.assembly.router, self.face, interpreter, deps, tasks)
        self.face.router = self._router

    def _interpreter(self, config: EdgeConfig) -> ConfiguredInterpreter:
        return ConfiguredInterpreter(
            self.namers.namers, transformers=make_transformers(config.transformers)
        )

    async def apply(self, config: EdgeConfig) -> None:
        """Put a configuration in force. Requests under way are not touched.

        What waits for a restart stays as it is.
        """
        before = self.config
        config = in_force(before, config)
        interpreter = None
        if (before.namers, before.transformers) != (config.namers, config.transformers):
            if before.namers != config.namers:
                fresh = Namers(config.namers)
                await fresh.start()
                self._retired.append(self.namers)
                self.namers = fresh
            interpreter = self._interpreter(config)
        # From here on nothing waits, so no request sees half of each.
        self.assembly = assemble(config, self.assembly)
        self.face.configure(self.assembly.face)
        routing = (before.dtab, before.hosts) != (config.dtab, config.hosts)
        if interpreter is not None or routing:
            self.router.reconfigure(self.assembly.router, interpreter or self.router.interpreter)
        while len(self._retired) > _RETIRED_MAX:
            await self._retired.pop(0).aclose()

    def sweep(self, now: float) -> list[str]:
        """Twice a second: unused routes, files of grants. Returns what is newly wrong there."""
        self.router.sweep(now)
        files = self.assembly.files
        if files is None:
            return []
        files.load()
        return files.news()

    def close(self) -> None:
        """Drop every route."""
        if self._router is not None:
            self._router.close()

    async def aclose(self) -> None:
        """Write the audit's last lines, stop watching names."""
        if self.assembly.face.audit is not None:
            self.assembly.face.audit.flush()
        for namers in (*self._retired, self.namers):
            await namers.aclose()
