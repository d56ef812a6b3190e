"""Where the public connects: listeners that come, go, and change on their address."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from edge.settings.listening import make_prelude
from proxy.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge.settings.edge_config import ListenerConfig
    from proxy.acceptor import Prelude
    from proxy.call import Way
    from proxy.certificates import CertificateWatch
    from proxy.tasks import Tasks
    from proxy.workers import Place

    Door = tuple[ListenerConfig, Listener]

_DRAIN_S: Final = 30.0


class Doors:
    """The listeners of one process, for one way. `on_sweep` is called twice a second."""

    def __init__(
        self,
        certificates: CertificateWatch,
        tasks: Tasks,
        place: Place | None,
        on_sweep: Callable[[float], None],
    ) -> None:
        self._certificates = certificates
        self._tasks = tasks
        self._place = place
        self._on_sweep = on_sweep
        self._open: list[Door] = []
        self._leaving: list[Listener] = []  # others accept in their place

    @property
    def listeners(self) -> list[Listener]:
        """Where the public connects now."""
        return [listener for _, listener in self._open]

    async def start(self, way: Way, config: ListenerConfig, name: str) -> int:
        """Open one, and tell its port. Raises: OSError, or TlsError naming a file."""
        prelude = make_prelude(config.tls, config.proxy_protocol)
        return await self._listen(way, config, prelude, name)

    async def change(self, way: Way, wanted: Sequence[ListenerConfig]) -> None:
        """Open what is new. Who has its address, and is wanted no more, hands its socket on.

        Raises: OSError or TlsError, before anything has moved; what was opened is closed again.
        """
        known = [config for config, _ in self._open]
        new = [
            (one, make_prelude(one.tls, one.proxy_protocol)) for one in wanted if one not in known
        ]
        moving = []
        try:
            for config, prelude in new:
                for door in self._open:
                    if door[0] not in wanted and door[0].address == config.address:
                        moving.append((config, prelude, door))
                        break
                else:
                    await self._listen(way, config, prelude)
        except OSError:
            self.close_unwanted(known)
            raise
        for config, prelude, door in moving:
            await self._listen(way, config, prelude, before=door)

    async def _listen(
        self,
        way: Way,
        config: ListenerConfig,
        prelude: Prelude,
        name: str = "",
        before: Door | None = None,
    ) -> int:
        bounds = config.bounds
        listener = Listener(way, bounds.settings(), prelude, bounds.limits())
        if before is not None:
            port = await listener.take_over(before[1])
            self._open.remove(before)
            self._tasks.start(self._leave(before[1]), "leave")
        else:
            ports = {} if self._place is None else self._place.ports
            port = await listener.start(
                config.ip, ports.get(name, config.port), reuse_port=self._place is not None
            )
        if prelude.tls is not None:
            self._certificates.add(prelude.tls)
        self._open.append((config, listener))
        self._open[0][1].on_sweep = self._on_sweep
        return port

    async def _leave(self, listener: Listener) -> None:
        """Another accepts in its place; what it has goes on until it ends."""
        self._forget(listener)
        self._leaving.append(listener)
        await listener.empty()
        self._leaving.remove(listener)
        await listener.aclose()

    def close_unwanted(self, wanted: Sequence[ListenerConfig]) -> None:
        """Drain what the configuration names no more."""
        unwanted = [door for door in self._open if door[0] not in wanted]
        self._open = [door for door in self._open if door[0] in wanted]
        for _, listener in unwanted:
            self._forget(listener)
            self._tasks.start(_drain(listener), "drain")
        self._open[0][1].on_sweep = self._on_sweep

    def _forget(self, listener: Listener) -> None:
        listener.on_sweep = None
        if listener.prelude.tls is not None:
            self._certificates.drop(listener.prelude.tls)

    def retire(self) -> None:
        """Let every answer end its connection."""
        for listener in (*self.listeners, *self._leaving):
            listener.draining = True

    async def drain(self, deadline_s: float) -> int:
        """Let requests under way finish; returns how many connections were cut."""
        every = (*self.listeners, *self._leaving)
        return sum(await asyncio.gather(*(one.drain(deadline_s) for one in every)))


async def _drain(listener: Listener) -> None:
    await listener.drain(_DRAIN_S)
