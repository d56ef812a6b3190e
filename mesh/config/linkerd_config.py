"""What an operator writes for a mesh process: Linkerd 1.x YAML, as far as weir speaks it.

An unknown key is an error.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from config import Model, Refused
from dtab import Dtab, Path
from mesh.config.access_config import AccessLogConfig
from mesh.config.bounds_config import HostConnectionPool
from mesh.config.config_types import (
    DtabText,
    Kilobytes,
    Millis,
    PathText,
    Port,
    first_taken,
    kind_or,
)
from mesh.config.identifier_config import HeaderTokenIdentifier, Identifiers
from mesh.config.naming_config import DefaultInterpreter, InterpreterConfig, NamerConfig
from mesh.config.server_config import ServerConfig
from mesh.config.service_config import Backoff, ServiceConfig, Services
from mesh.config.tls_config import ClientTlsConfig
from mesh.config.tracing_config import LinkerdPropagator, LinkerdZipkin, Propagator, Tracing


class Prometheus(Model):
    """`/admin/metrics/prometheus`; always on, the entry is read for Linkerd's sake."""

    kind: Literal["io.l5d.prometheus"]


Telemeter = Annotated[Tracing | LinkerdZipkin | Prometheus, Field(discriminator="kind")]


class FailureAccrual(Model):
    """When an endpoint gets no more requests."""

    kind: Literal["io.l5d.consecutiveFailures", "none"] = "io.l5d.consecutiveFailures"
    failures: Annotated[int, Field(ge=1)] = 5
    backoff: Backoff | None = None


class LoadBalancer(Model):
    """How an endpoint is picked. Every kind is p2c here, which is the best of them but for ewma."""

    kind: Literal["p2c", "ewma", "aperture", "heap", "roundRobin"] = "p2c"


class ClientConfig(Model):
    """How endpoints are treated."""

    kind: Literal["io.l5d.global"] = "io.l5d.global"
    failureAccrual: FailureAccrual = FailureAccrual()
    loadBalancer: LoadBalancer = LoadBalancer()
    requestAttemptTimeoutMs: Millis | None = None
    tls: ClientTlsConfig | None = None
    hostConnectionPool: HostConnectionPool | None = None
    links: bool = False
    """weir's own: whether endpoints are asked for a link (docs/link.md)."""


class PrefixedClient(Model):
    """How the endpoints of bound names that begin so are treated."""

    prefix: str
    """Such as /#/io.l5d.fs/{service}."""
    failureAccrual: FailureAccrual | None = None
    loadBalancer: LoadBalancer | None = None
    requestAttemptTimeoutMs: Millis | None = None
    tls: ClientTlsConfig | None = None
    hostConnectionPool: HostConnectionPool | None = None
    links: bool | None = None


class StaticClients(Model):
    """Settings by bound name; every prefix that matches counts, later ones override key by key."""

    kind: Literal["io.l5d.static"]
    configs: tuple[PrefixedClient, ...] = ()


Clients = Annotated[
    Annotated[ClientConfig, Tag("io.l5d.global")] | Annotated[StaticClients, Tag("io.l5d.static")],
    Discriminator(kind_or("io.l5d.global")),
]


class RouterConfig(Model):
    """One router with its listeners."""

    protocol: Literal["http"]
    label: str | None = None
    dtab: DtabText = Dtab()
    dstPrefix: PathText = Path.of("svc")
    identifier: Identifiers = (HeaderTokenIdentifier(),)
    interpreter: InterpreterConfig = DefaultInterpreter()
    servers: Annotated[tuple[ServerConfig, ...], Field(min_length=1)]
    client: Clients = ClientConfig()
    service: Services = ServiceConfig()
    tracePropagator: Propagator = LinkerdPropagator(kind="io.l5d.default")
    bindingTimeoutMs: Millis = 10_000
    maxHeadersKB: Kilobytes = 8
    maxInitialLineKB: Kilobytes = 4
    upgrades: tuple[Literal["websocket"], ...] = ()
    """weir's own: protocols that a connection may switch to. None passes Linkerd."""
    compressionLevel: Literal[0] = 0
    """weir never compresses; whoever says so in Linkerd's YAML is right."""

    @property
    def name(self) -> str:
        """The label, by default the protocol."""
        return self.label or self.protocol


class Admin(Model):
    """The admin port."""

    ip: str = "127.0.0.1"
    port: Port = 9990


class Usage(Model):
    """Linkerd's usage reports. The keys are read for Linkerd's sake; weir reports to nobody."""

    enabled: bool = True
    orgId: str | None = None


class MeshConfig(Model):
    """A mesh process."""

    admin: Admin = Admin()
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that share the ports; not a key of Linkerd's."""
    accessLog: AccessLogConfig | None = None
    """A line for each request of every router; not a key of Linkerd's."""
    usage: Usage = Usage()
    namers: tuple[NamerConfig, ...] = ()
    telemetry: tuple[Telemeter, ...] = ()
    routers: Annotated[tuple[RouterConfig, ...], Field(min_length=1)]

    @property
    def tracers(self) -> tuple[Tracing | LinkerdZipkin, ...]:
        """The telemeters that take spans."""
        return tuple(one for one in self.telemetry if isinstance(one, Tracing | LinkerdZipkin))

    @model_validator(mode="after")
    def _apart(self) -> MeshConfig:
        """Two routers or servers may not be taken for one: Linkerd refuses them as well."""
        names: set[str] = set()
        servers: list[tuple[int, int]] = []
        bound = [(self.admin.ip, self.admin.port)]
        for number, router in enumerate(self.routers):
            if router.name in names:
                raise Refused(
                    f"two routers are called {router.name}",
                    hint="give each a `label` of its own",
                    at=("routers", number),
                )
            names.add(router.name)
            servers += [(number, one) for one in range(len(router.servers))]
            bound += [(one.ip, one.port) for one in router.servers]
        taken = first_taken(bound)
        if taken is not None:
            ip, port = bound[taken]
            router_number, server = servers[taken - 1]
            raise Refused(
                f"{ip}:{port} is taken",
                hint="choose another port",
                at=("routers", router_number, "servers", server),
            )
        return self

    @model_validator(mode="after")
    def _one_tracer(self) -> MeshConfig:
        if len(self.tracers) > 1:
            raise Refused(
                "spans can go to one tracer",
                hint="name one here; let its collector forward to others",
                at=("telemetry",),
            )
        return self
