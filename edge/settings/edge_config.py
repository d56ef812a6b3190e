"""`edge.yml`: what an operator writes for the gateway."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from config import Model, Refused
from dtab import Dtab
from edge.settings.field_types import HeaderName, HostPattern, Network, RateConfig
from edge.settings.host_config import HostConfig
from edge.settings.listening import TlsConfig
from edge.settings.trust_config import GrantsConfig, TrustRule
from mesh.config.access_config import AccessLogConfig
from mesh.config.bounds_config import PublicBounds
from mesh.config.config_types import Destination, DtabText, Port, Rate, first_taken
from mesh.config.linkerd_config import ClientConfig, Clients
from mesh.config.naming_config import DnsNamerConfig, DnsSrvNamerConfig, FsNamerConfig, Transformer
from tracing.propagation import FORMATS, Format

# By tag, so that a problem is told of the form that was written, and once.
HostEntry = Annotated[
    Annotated[HostPattern, Tag("name")] | Annotated[HostConfig, Tag("rule")],
    Discriminator(lambda value: "name" if isinstance(value, str) else "rule"),
]

Namer = Annotated[FsNamerConfig | DnsSrvNamerConfig | DnsNamerConfig, Field(discriminator="kind")]


class ListenerConfig(Model):
    """Where the public connects."""

    ip: str = "0.0.0.0"
    port: Port = 80
    tls: TlsConfig | None = None
    proxy_protocol: tuple[Network, ...] = ()
    """Balancers that must begin each connection with a PROXY header (v1 or v2)."""
    bounds: PublicBounds = PublicBounds()
    """Of connections and requests (docs/bounds.md)."""

    @property
    def address(self) -> tuple[str, int]:
        """What it binds."""
        return self.ip, self.port


class ForwardingConfig(Model):
    """What services are told beyond X-Forwarded-*."""

    forwarded: bool = False
    """Whether they get a Forwarded line (RFC 7239)."""
    request_id: HeaderName | None = None
    """A header, such as X-Request-Id, that carries the trace's id to services and to the client;
    what a client writes there is not believed."""


class AdminConfig(Model):
    """The admin port."""

    ip: str = "127.0.0.1"
    port: Port = 9992
    hosts: tuple[str, ...] = ()
    """Names by which it may be asked, besides IP addresses and localhost."""


class TracingConfig(Model):
    """Where spans go."""

    collector: Destination = "http://127.0.0.1:9411"
    """http://host:9411, scribe://host:9410, otlp+http://host:4318 or otel:NAME."""
    sample_rate: Rate = 0.001
    forced_per_s: Annotated[float, Field(gt=0)] = 10.0
    """How many requests a second may be recorded beyond their rate, by l5d-sample or a grant."""
    read: Annotated[tuple[Format, ...], Field(min_length=1)] = FORMATS
    """Formats of a trusted caller's trace; the first that names a span counts."""
    write: Annotated[tuple[Format, ...], Field(min_length=1)] = ("l5d",)
    """Formats that tell services of their trace; all of these go on."""


class TestEndpoint(Model):
    """What answers for a host that is not ours."""

    status: Annotated[int, Field(ge=200, le=599)] = 200
    body: str = "200 OK"


class LimitsConfig(Model):
    """How many requests are taken; beyond, 429 with Retry-After."""

    client: RateConfig | None = None
    """Of one client address; IPv6 counts by /64."""
    host: RateConfig | None = None
    """For one host."""
    grant: RateConfig | None = None
    """Under one grant."""
    clients_max: Annotated[int, Field(ge=100)] = 100_000
    """How many clients are remembered; about 100 bytes each."""


class EdgeConfig(Model):
    """The gateway."""

    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that share the ports."""
    listener: ListenerConfig = ListenerConfig()
    listeners: Annotated[tuple[ListenerConfig, ...], Field(max_length=16)] = ()
    """In place of `listener`, where there are several."""
    admin: AdminConfig = AdminConfig()
    hosts: tuple[HostEntry, ...] = ()
    """Hosts that are routed: exact names, `*.suffix`, or `*`. All others get the test answer."""
    test_endpoint: TestEndpoint = TestEndpoint()
    dtab: DtabText = Dtab()
    """Maps /svc/<host> to services, for every host."""
    namers: tuple[Namer, ...] = ()
    transformers: tuple[Transformer, ...] = ()
    client: Clients = ClientConfig()
    """How services are dialled, as in Linkerd YAML: TLS, timeouts, by prefix of bound names."""
    proxies: tuple[Network, ...] = ()
    """Networks of proxies before us, whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    forwarding: ForwardingConfig = ForwardingConfig()
    links: bool = False
    """Whether endpoints are asked for a link (docs/link.md): where the next hop is a weir."""
    trust: tuple[TrustRule, ...] = ()
    grants: GrantsConfig | None = None
    limits: LimitsConfig = LimitsConfig()
    tracing: TracingConfig | None = None
    access_log: AccessLogConfig | None = None
    """A line for each request; off unless it stands here."""
    reload_on_change: bool = True
    """Whether the file is watched; SIGHUP and POST /reload always work."""

    @property
    def all_listeners(self) -> tuple[ListenerConfig, ...]:
        """Every listener."""
        return self.listeners or (self.listener,)

    @property
    def host_rules(self) -> tuple[HostConfig, ...]:
        """Every host rule in its long form."""
        return tuple(HostConfig(host=one) if isinstance(one, str) else one for one in self.hosts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and should be known: told by check and at every start."""
        return tuple(
            f"trust rule {rule.name}: `contains` lets any cookie value pass that holds the text "
            "(xDOGFOODx holds dogfood); `equals` or a grant is safer"
            for rule in self.trust
            if rule.cookie is not None and rule.cookie.contains is not None
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.listeners and "listener" in self.model_fields_set:
            raise Refused("either listener or listeners", at=("listener",))
        bound = [(self.admin.ip, self.admin.port), *(one.address for one in self.all_listeners)]
        taken = first_taken(bound)
        if taken is not None:
            ip, port = bound[taken]
            raise Refused(
                f"{ip}:{port} is taken",
                hint="choose another port",
                at=("listeners", taken - 1) if self.listeners else ("listener",),
            )
        seen: dict[str, int] = {}
        for number, rule in enumerate(self.host_rules):
            name = rule.host.lower()
            if name in seen:
                raise Refused(
                    f"the host {name} stands here twice",
                    hint="join both rules into one",
                    at=("hosts", number),
                )
            seen[name] = number
        names: set[str] = set()
        for number, trusted in enumerate(self.trust):
            if trusted.name in names:
                raise Refused(f"two rules are called {trusted.name}", at=("trust", number, "name"))
            names.add(trusted.name)
            if trusted.certificate is not None and not self._asks_for_certificates:
                raise Refused(
                    "no listener asks clients for a certificate",
                    hint="set client_certificates: wanted in a listener's tls",
                    at=("trust", number, "certificate"),
                )
        return self

    @property
    def _asks_for_certificates(self) -> bool:
        return any(
            one.tls is not None and one.tls.client_certificates != "off"
            for one in self.all_listeners
        )
