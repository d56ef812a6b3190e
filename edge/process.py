"""The gateway's process: listeners for the public, the admin port, the recorder."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from edge.admin.exemplars import Exemplars
from edge.admin.port import EdgeAdmin
from edge.answers.face import EdgeFace
from edge.doors import Doors
from edge.gateway import Gateway
from edge.settings.reload import ConfigSource, Reloaded, difference
from mesh.config.access_config import open_log
from mesh.deps import Deps
from proxy.app_server import AppServer
from proxy.certificates import CertificateWatch, TlsError
from proxy.tasks import Tasks
from proxy.workers import Address
from tracing.exchange import ExchangeRecord
from tracing.recorder import Recorder
from tracing.recorder.destination import open_exporter
from tracing.span import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.settings.edge_config import EdgeConfig
    from mesh.access.log import AccessLog
    from mesh.routing.router import Router
    from proxy.listener import Listener
    from proxy.workers import Place
    from tracing.exchange import Record

RECENT_MAX: Final = 200


def addresses(config: EdgeConfig) -> list[Address]:
    """What a process with this configuration binds, but for its admin port."""
    return [
        Address("public" if number == 1 else f"public-{number}", one.ip, one.port)
        for number, one in enumerate(config.all_listeners, start=1)
    ]


class EdgeProcess:
    """Started once, stopped once; reloaded as often as you like."""

    def __init__(
        self,
        config: EdgeConfig,
        source: ConfigSource | None = None,
        say: Callable[[str], None] = lambda _: None,
        place: Place | None = None,
    ) -> None:
        self._place = place
        self._certificates = CertificateWatch()
        self.gateway = Gateway(config, EdgeFace)
        self.face = self.gateway.face
        self.face.say = say
        self.ports: dict[str, int] = {}  # "public", "public-2", …, and "admin"
        self.recent: deque[Record] = deque(maxlen=RECENT_MAX)
        self.last_reload: Reloaded | None = None
        self.waits: tuple[str, ...] = ()  # keys whose values in the file wait for a restart
        self.reloads = 0
        self.reloads_failed = 0
        self.exemplars = Exemplars()
        self._source = source
        self._say = say
        self._tasks = Tasks()
        self._reloading = asyncio.Lock()
        self._doors = Doors(self._certificates, self._tasks, place, self._sweep)
        self._recorder: Recorder | None = None
        self._admin: AppServer | None = None
        self._access: AccessLog | None = None
        self.unready: str | None = "starting"  # why requests should go elsewhere

    @property
    def config(self) -> EdgeConfig:
        """The configuration that is in force."""
        return self.gateway.config

    @property
    def source(self) -> ConfigSource | None:
        """Where the configuration came from."""
        return self._source

    @property
    def router(self) -> Router:
        """The router, once it is started."""
        return self.gateway.router

    @property
    def listeners(self) -> list[Listener]:
        """Where the public connects now."""
        return self._doors.listeners

    async def start(self) -> None:
        """Watch names, bind.

        Raises: OSError, when an address cannot be bound; TlsError, naming a file.
        """
        config = self.config
        for warning in config.warnings:
            self._say(f"warning: {warning}")
        await self.gateway.namers.start()
        self._access = access = open_log(config.access_log)
        deps = Deps(access=access)
        if config.tracing is not None:
            self._recorder = Recorder(open_exporter(config.tracing.collector))
            await self._recorder.start()
            deps = replace(
                deps,
                record=self._record,
                sample_rate=config.tracing.sample_rate,
            )
        await self.gateway.start(deps, self._tasks)
        for warning in self.gateway.assembly.tls.warnings:
            self._say(f"warning: {warning}")
        for part in self.gateway.assembly.tls.parts:
            self._certificates.add(part)
        for address, listen in zip(addresses(config), config.all_listeners, strict=True):
            self.ports[address.name] = await self._doors.start(self.router, listen, address.name)
        first = config.all_listeners[0]
        spans = self.router.spans
        spans.local = spans.client_local = Endpoint("edge", first.ip, self.ports["public"])
        if self._source is not None:
            self._source.changed()
        self._admin = AppServer(EdgeAdmin(self, self._recorder, access).app())
        self._certificates.start(self._tasks)
        if self._place is not None:
            await self._admin.start_unix(self._place.admin)
        else:
            self.ports["admin"] = await self._admin.start(config.admin.ip, config.admin.port)
        self.unready = None

    def _record(self, record: Record) -> None:
        if isinstance(record, ExchangeRecord) or record.kind == "SERVER":
            self.recent.append(record)
            self.exemplars.note(record)
        assert self._recorder is not None
        self._recorder.record(record)

    # ---- reloading

    def _sweep(self, now: float) -> None:
        """Twice a second: idle connections, unused routes, files that have changed."""
        for problem in self.gateway.sweep(now):
            self._say(f"grants: {problem}; the last good state goes on")
        source = self._source
        if source is not None and self.config.reload_on_change and source.changed():
            self.reload_soon()

    def reload_soon(self) -> None:
        """Reload behind what is under way; the outcome is said. For a signal and the file watch."""
        for problem in self._certificates.look():
            self._say(f"TLS: {problem}; the last good state goes on")
        if self._access is not None:
            try:
                self._access.reopen()
            except OSError as error:
                self._say(f"the access log stays where it is: {error.strerror}")

        async def work() -> None:
            self._say(str(await self.reload()))

        self._tasks.start(work(), "reload")

    async def reload(self) -> Reloaded:
        """Read the file again and put it in force; with any problem, nothing changes.

        Open connections and requests under way are not touched.
        """
        async with self._reloading:
            source = self._source
            if source is None:
                return Reloaded(done=False, problems=("this gateway was started without a file",))
            read = source.read()
            self.last_reload = read if isinstance(read, Reloaded) else await self._apply(read)
            self.reloads += 1
            self.reloads_failed += not self.last_reload.done
            return self.last_reload

    async def _apply(self, config: EdgeConfig) -> Reloaded:
        before = self.config
        changed, waits = difference(before, config)
        if not changed:
            self.waits = ()
            return Reloaded(done=True, warnings=config.warnings)
        try:
            await self._doors.change(self.router, config.all_listeners)
        except OSError as error:
            return Reloaded(done=False, problems=(f"cannot listen: {error.strerror or error}",))
        except TlsError as error:
            return Reloaded(done=False, problems=(f"TLS: {error}",))
        await self.gateway.apply(config)
        self._doors.close_unwanted(config.all_listeners)
        self.waits = waits
        return Reloaded(done=True, changed=changed, waits=waits, warnings=config.warnings)

    def retire(self) -> None:
        """Ask for no more requests: not ready, and every answer ends its connection."""
        self.unready = "draining"
        self._doors.retire()

    async def aclose(self, drain_s: float = 5.0) -> int:
        """Let requests under way finish, flush spans, stop.

        Returns how many connections were cut.
        """
        self.retire()
        cut = await self._doors.drain(drain_s)
        self.gateway.close()
        if self._admin is not None:
            await self._admin.aclose()
        if self._recorder is not None:
            await self._recorder.aclose()
        if self._access is not None:
            await self._access.aclose()
        await self.gateway.aclose()
        await self._tasks.aclose()
        return cut
