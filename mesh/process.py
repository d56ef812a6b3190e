"""A mesh process.

Every router of a configuration with its listeners, the admin port, the recorder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.admin import Admin
from mesh.deps import Deps
from mesh.linkerd_config import Tracing
from mesh.wiring import Namers, make_router
from naming.playground import playground
from proxy.app_server import AppServer
from proxy.listener import Listener
from proxy.tasks import Tasks
from tracing.recorder import Recorder, ZipkinHttpExporter

if TYPE_CHECKING:
    from mesh.linkerd_config import MeshConfig
    from mesh.router import Router


class MeshProcess:
    """Started once, stopped once."""

    def __init__(self, config: MeshConfig) -> None:
        self._config = config
        self._namers = Namers(config.namers)
        self._tasks = Tasks()
        self._listeners: list[Listener] = []
        self._recorder: Recorder | None = None
        self._admin: AppServer | None = None
        self.routers: list[Router] = []
        self.ports: dict[str, int] = {}  # by router label, and "admin"

    async def start(self) -> None:
        """Watch names, bind every listener.

        Raises: OSError naming the address that cannot be bound.
        """
        config = self._config
        await self._namers.start()
        deps = Deps()
        tracing = next((one for one in config.telemetry if isinstance(one, Tracing)), None)
        if tracing is not None:
            self._recorder = Recorder(ZipkinHttpExporter(tracing.url))
            await self._recorder.start()
            deps = Deps(record=self._recorder.record, sample_rate=tracing.sampleRate)
        for router_config in config.routers:
            for server in router_config.servers:
                router = make_router(router_config, server, self._namers, deps, self._tasks)
                listener = Listener(router)
                listener.on_sweep = router.sweep
                self.routers.append(router)
                self._listeners.append(listener)
                self.ports[router_config.name] = await listener.start(
                    server.ip, router.settings.port
                )
        effective = config.model_dump(mode="json", exclude_unset=True)
        pages = playground(
            {one.settings.label: one.interpreter for one in self.routers},
            {one.settings.label: one.settings.dtab for one in self.routers},
        )
        admin = Admin(self.routers, effective, self._recorder, pages)
        self._admin = AppServer(admin.app())
        self.ports["admin"] = await self._admin.start(config.admin.ip, config.admin.port)

    async def aclose(self, drain_s: float = 5.0) -> int:
        """Let requests under way finish, flush spans, stop.

        Returns how many connections were cut.
        """
        cut = 0
        for listener in self._listeners:
            cut += await listener.drain(drain_s)
        for router in self.routers:
            router.close()
        if self._admin is not None:
            await self._admin.aclose()
        if self._recorder is not None:
            await self._recorder.aclose()
        await self._namers.aclose()
        await self._tasks.aclose()
        return cut
