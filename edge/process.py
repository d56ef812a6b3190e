"""The gateway's process: one listener for the public, the admin port, the recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtab import show
from edge.face import EdgeFace
from edge.hosts import Hosts
from edge.policy import Policy, Rule
from mesh.admin import Admin
from mesh.classify import Classifier
from mesh.deps import Deps
from mesh.router import Router, RouterSettings
from mesh.service import ServiceSettings
from mesh.wiring import Namers, make_transformers
from naming.interpreter import ConfiguredInterpreter
from proxy.app_server import AppServer
from proxy.listener import Listener
from proxy.tasks import Tasks
from tracing.recorder import Recorder, ZipkinHttpExporter
from tracing.span import Endpoint
from wire.limits import EDGE_LIMITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.edge_config import EdgeConfig, TrustRule


def make_policy(rules: Sequence[TrustRule]) -> Policy:
    """The policy that the configuration describes."""
    return Policy(
        [
            Rule(
                name=rule.name,
                cookie=rule.cookie.name.encode(),
                value=rule.cookie.equals.encode(),
                override=show(rule.override).encode(),
                may_override=rule.may_override,
                may_sample=rule.may_sample,
            )
            for rule in rules
        ]
    )


class EdgeProcess:
    """Started once, stopped once."""

    def __init__(self, config: EdgeConfig) -> None:
        self._config = config
        self._namers = Namers(config.namers)
        self._tasks = Tasks()
        self._listener: Listener | None = None
        self._router: Router | None = None
        self._recorder: Recorder | None = None
        self._admin: AppServer | None = None
        self.ports: dict[str, int] = {}  # "public" and "admin"

    async def start(self) -> None:
        """Watch names, bind. Raises: OSError, when an address cannot be bound."""
        config = self._config
        await self._namers.start()
        deps = Deps()
        if config.tracing is not None:
            self._recorder = Recorder(ZipkinHttpExporter(config.tracing.collector))
            await self._recorder.start()
            deps = Deps(record=self._recorder.record, sample_rate=config.tracing.sample_rate)
        face = EdgeFace(Hosts(config.hosts), make_policy(config.trust))
        interpreter = ConfiguredInterpreter(
            self._namers.namers, transformers=make_transformers(config.transformers)
        )
        listen = config.listener
        self._router = Router(
            RouterSettings(
                label="edge",
                dtab=config.dtab,
                ip=listen.ip,
                port=listen.port,
                limits=EDGE_LIMITS,
                # A read that met a dead endpoint is asked of another, within the budget.
                service=ServiceSettings(classifier=Classifier("io.l5d.http.retryableRead5XX")),
            ),
            face,
            interpreter,
            deps,
            self._tasks,
        )
        self._listener = Listener(self._router)
        self._listener.on_sweep = self._router.sweep
        port = await self._listener.start(listen.ip, listen.port)
        self._router.span_local = Endpoint("edge", listen.ip, port)
        self._router.client_local = self._router.span_local
        self.ports["public"] = port
        effective = config.model_dump(mode="json", exclude_unset=True)
        self._admin = AppServer(Admin([self._router], effective, self._recorder, None).app())
        self.ports["admin"] = await self._admin.start(config.admin.ip, config.admin.port)

    async def aclose(self, drain_s: float = 5.0) -> int:
        """Let requests under way finish, flush spans, stop.

        Returns how many connections were cut.
        """
        cut = 0
        if self._listener is not None:
            cut = await self._listener.drain(drain_s)
        if self._router is not None:
            self._router.close()
        if self._admin is not None:
            await self._admin.aclose()
        if self._recorder is not None:
            await self._recorder.aclose()
        await self._namers.aclose()
        await self._tasks.aclose()
        return cut
