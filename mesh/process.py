"""A mesh process.

Every router of a configuration with its listeners, the admin port, the recorder.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from config import ConfigError
from mesh.admin.port import Admin
from mesh.config.access_config import open_log
from mesh.deps import Deps
from mesh.reload import in_force
from mesh.wiring.routers import Namers, make_interpreter, make_router, router_settings
from mesh.wiring.tls_wiring import TlsParts
from naming.fs_interpreter import FsInterpreter
from naming.playground import playground
from naming.state import Ok
from proxy.acceptor import Prelude
from proxy.app_server import AppServer
from proxy.certificates import CertificateWatch
from proxy.listener import Listener
from proxy.tasks import Tasks
from proxy.workers import Address
from tracing.recorder import Recorder
from tracing.recorder.destination import open_exporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dtab import Dtab
    from mesh.access.log import AccessLog
    from mesh.config.linkerd_config import MeshConfig, RouterConfig
    from mesh.config.server_config import ServerConfig
    from mesh.routing.router import Router
    from naming.interpreter import Interpreter
    from proxy.workers import Place


def _servers(config: MeshConfig) -> Iterator[tuple[str, RouterConfig, ServerConfig]]:
    """Every server with its name: the router's, with a number from the second on."""
    for router in config.routers:
        for number, server in enumerate(router.servers, start=1):
            yield router.name if number == 1 else f"{router.name}-{number}", router, server


def addresses(config: MeshConfig) -> list[Address]:
    """What a process with this configuration binds, but for its admin port."""
    return [Address(name, server.ip, server.port) for name, _, server in _servers(config)]


class MeshProcess:
    """Started once, stopped once."""

    def __init__(
        self,
        config: MeshConfig,
        place: Place | None = None,
        say: Callable[[str], None] = lambda _: None,
        read: Callable[[], MeshConfig] | None = None,
    ) -> None:
        self._read = read  # the file as it is now, for a reload
        self._config = config
        self._say = say
        self._place = place
        self._namers = Namers(config.namers)
        self._tasks = Tasks()
        self._tls = TlsParts()
        self._certificates = CertificateWatch([])
        self._listeners: list[Listener] = []
        self._recorder: Recorder | None = None
        self._admin: AppServer | None = None
        self._access: AccessLog | None = None
        self._unready: str | None = "starting"
        self._followed: list[FsInterpreter] = []
        self._interpreters: dict[str, Interpreter] = {}  # by router label
        self._tables: dict[str, Dtab] = {}
        self.routers: list[Router] = []
        self.ports: dict[str, int] = {}  # by router label, and "admin"

    @property
    def listeners(self) -> list[Listener]:
        """Where callers connect, in the order of the routers and their servers."""
        return self._listeners

    async def start(self) -> None:
        """Watch names, bind every listener.

        Raises: OSError naming the address that cannot be bound; TlsError naming a file.
        """
        config, place = self._config, self._place
        await self._namers.start()
        self._access = access = open_log(config.accessLog)
        deps = Deps(access=access)
        for tracing in config.tracers:  # at most one
            self._recorder = Recorder(open_exporter(tracing.destination))
            await self._recorder.start()
            deps = replace(
                deps,
                record=self._recorder.record,
                sample_rate=tracing.sampleRate,
            )
        for name, router_config, server in _servers(config):
            client = self._tls.clients(router_config.client)
            router = make_router(router_config, server, client, self._namers, deps, self._tasks)
            settings = server.bounds.settings(links=server.links)
            listener = Listener(router, settings, Prelude(tls=self._tls.server(server.tls)))
            listener.on_sweep = router.sweep
            router.listener = listener
            if isinstance(router.interpreter, FsInterpreter):
                await self._follow(router_config.name, router.interpreter)
            self.routers.append(router)
            self._listeners.append(listener)
            port = router.settings.port if place is None else place.ports[name]
            self.ports[name] = await listener.start(server.ip, port, reuse_port=place is not None)
        self._certificates = CertificateWatch(self._tls.parts)
        self._certificates.start(self._tasks)
        for warning in self._tls.warnings:
            self._say(f"warning: {warning}")
        self._show()
        pages = playground(self._interpreters, self._tables)
        admin = Admin(
            self.routers,
            lambda: self._config.model_dump(mode="json", exclude_unset=True),
            self._recorder,
            pages,
            lambda: self._unready,
            self._access,
        )
        self._admin = AppServer(admin.app())
        if place is not None:
            await self._admin.start_unix(place.admin)
        else:
            self.ports["admin"] = await self._admin.start(config.admin.ip, config.admin.port)
        self._unready = None

    async def _follow(self, router: str, interpreter: FsInterpreter) -> None:
        """Follow a table in a file of its own, and tell what is wrong with it, once."""
        table = interpreter.dtab

        def tell() -> None:
            if table.trouble is not None:
                known = isinstance(table.state, Ok)
                told = "the last good one goes on" if known else "and there is no other"
                self._say(f"the table of {router} cannot be read, {told}:\n{table.trouble}")

        table.subscribe(tell)
        await interpreter.start()
        self._followed.append(interpreter)

    def reload_soon(self) -> None:
        """Read configuration and certificates again, and open the access log anew."""
        problems = self._certificates.look(force=True)
        if self._access is not None:
            try:
                self._access.reopen()
            except OSError as error:
                problems.append(f"the access log stays where it is: {error.strerror}")
        if self._read is not None:
            try:
                self._apply(self._read())
            except (ConfigError, OSError, UnicodeDecodeError) as error:
                problems.append(str(error))
        for problem in problems:
            self._say(f"not reloaded: {problem}")
        if not problems:
            self._say("reloaded")

    def _apply(self, config: MeshConfig) -> None:
        """Route by a new configuration; exchanges under way go on as they are."""
        config, waits = in_force(self._config, config)
        for name in waits:
            self._say(f"warning: {name} waits for a restart")
        for router, (_, router_config, server) in zip(self.routers, _servers(config), strict=True):
            settings = router_settings(router_config, server, router.settings.client)
            followed = isinstance(router.interpreter, FsInterpreter)
            router.reconfigure(
                settings,
                router.interpreter if followed else make_interpreter(router_config, self._namers),
            )
        self._config = config
        self._show()

    def _show(self) -> None:
        """What the delegator explains: the routers as they are now."""
        self._interpreters.update({one.settings.label: one.interpreter for one in self.routers})
        self._tables.update({one.settings.label: one.settings.dtab for one in self.routers})

    def retire(self) -> None:
        """Ask for no more requests: not ready, and every answer ends its connection."""
        self._unready = "draining"
        for listener in self._listeners:
            listener.draining = True

    async def aclose(self, drain_s: float = 5.0) -> int:
        """Let requests under way finish, flush spans, stop.

        Returns how many connections were cut.
        """
        self.retire()
        cuts = await asyncio.gather(*(listener.drain(drain_s) for listener in self._listeners))
        for router in self.routers:
            router.close()
        if self._admin is not None:
            await self._admin.aclose()
        if self._recorder is not None:
            await self._recorder.aclose()
        if self._access is not None:
            await self._access.aclose()
        for interpreter in self._followed:
            await interpreter.aclose()
        await self._namers.aclose()
        await self._tasks.aclose()
        return sum(cuts)
