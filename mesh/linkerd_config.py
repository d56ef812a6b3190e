"""What an operator writes for a mesh process: Linkerd 1.x YAML, as far as weir speaks it.

An unknown key is an error.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, PlainSerializer, PlainValidator, Tag

from config import Model, Refused
from dtab import Dtab, DtabSyntaxError, Path, read_dtab, read_path, show
from mesh.access_config import AccessLogConfig
from mesh.classify import CLASSIFIERS, DEFAULT_CLASSIFIER
from mesh.tls_config import ClientTlsConfig, ServerTlsConfig


def _dtab(text: Any) -> Dtab:
    if isinstance(text, Dtab):
        return text  # a default
    if not isinstance(text, str):
        raise Refused("a dtab is text", hint="write entries such as /svc => /#/io.l5d.fs ;")
    try:
        return read_dtab(text)
    except DtabSyntaxError as error:
        raise Refused(str(error), hint="an entry is written /prefix => /name ;") from None


def _path(text: Any) -> Path:
    if isinstance(text, Path):
        return text  # a default
    try:
        return read_path(str(text))
    except DtabSyntaxError as error:
        raise Refused(str(error), hint="a path is written /label/label") from None


def _classifier(kind: str) -> str:
    if kind not in CLASSIFIERS:
        raise Refused(
            f"unknown response classifier {kind}", hint="one of " + ", ".join(CLASSIFIERS)
        )
    return kind


DtabText = Annotated[
    Dtab, PlainValidator(_dtab, json_schema_input_type=str), PlainSerializer(show, return_type=str)
]
PathText = Annotated[
    Path, PlainValidator(_path, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
Port = Annotated[int, Field(ge=0, le=65_535)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]


class PodsOfNode(Model):
    """One node of the local topology, and the addresses of its pods."""

    ip: str
    pods: str
    """CIDR, such as 127.0.1.0/25."""


class PortTransformer(Model):
    """Replaces every port."""

    kind: Literal["io.l5d.port"]
    port: Port


class LocalhostTransformer(Model):
    """Keeps this machine's addresses."""

    kind: Literal["io.l5d.localhost"]


class SpecificHostTransformer(Model):
    """Keeps one address."""

    kind: Literal["io.l5d.specificHost"]
    host: str


class ConstTransformer(Model):
    """Binds one path, whatever was asked for."""

    kind: Literal["io.l5d.const"]
    path: PathText


class ReplaceTransformer(Model):
    """Binds one path in place of every leaf."""

    kind: Literal["io.l5d.replace"]
    path: PathText


class DaemonsetTransformer(Model):
    """Sends requests to the mesh process on the endpoint's node."""

    kind: Literal["io.weir.daemonset"]
    port: Port
    nodes: tuple[PodsOfNode, ...]


class LocalnodeTransformer(Model):
    """Keeps the endpoints of one node."""

    kind: Literal["io.weir.localnode"]
    node: str
    pods: str


Transformer = Annotated[
    PortTransformer
    | LocalhostTransformer
    | SpecificHostTransformer
    | ConstTransformer
    | ReplaceTransformer
    | DaemonsetTransformer
    | LocalnodeTransformer,
    Field(discriminator="kind"),
]


class FsNamerConfig(Model):
    """A watched directory: a file a service, a line `host port` an endpoint."""

    kind: Literal["io.l5d.fs"]
    rootDir: FilePath
    prefix: PathText = Path.of("io.l5d.fs")
    transformers: tuple[Transformer, ...] = ()


class DefaultInterpreter(Model):
    """The router's own dtab and the configured namers."""

    kind: Literal["default"] = "default"
    transformers: tuple[Transformer, ...] = ()


class Tracing(Model):
    """Spans to a collector over HTTP (Zipkin v2)."""

    kind: Literal["io.weir.zipkin"]
    url: str = "http://127.0.0.1:9411"
    sampleRate: Rate = 0.001


class Prometheus(Model):
    """`/admin/metrics/prometheus`; always on, the entry is read for Linkerd's sake."""

    kind: Literal["io.l5d.prometheus"]


Telemeter = Annotated[Tracing | Prometheus, Field(discriminator="kind")]


class HeaderTokenIdentifier(Model):
    """The service is named by a header."""

    kind: Literal["io.l5d.header.token"] = "io.l5d.header.token"
    header: str = "Host"


class FailureAccrual(Model):
    """When an endpoint gets no more requests."""

    kind: Literal["io.l5d.consecutiveFailures", "none"] = "io.l5d.consecutiveFailures"
    failures: Annotated[int, Field(ge=1)] = 5


class ClientConfig(Model):
    """How endpoints are treated."""

    kind: Literal["io.l5d.global"] = "io.l5d.global"
    failureAccrual: FailureAccrual = FailureAccrual()
    tls: ClientTlsConfig | None = None


class PrefixedClient(Model):
    """How the endpoints of bound names that begin so are treated."""

    prefix: str
    """Such as /#/io.l5d.fs/{service}."""
    failureAccrual: FailureAccrual | None = None
    tls: ClientTlsConfig | None = None


class StaticClients(Model):
    """Settings by bound name; every prefix that matches counts, later ones override key by key."""

    kind: Literal["io.l5d.static"]
    configs: tuple[PrefixedClient, ...] = ()


def _client_kind(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind or "io.l5d.global"


Clients = Annotated[
    Annotated[ClientConfig, Tag("io.l5d.global")] | Annotated[StaticClients, Tag("io.l5d.static")],
    Discriminator(_client_kind),
]


class RetryBudgetConfig(Model):
    """How many retries a service may make."""

    minRetriesPerSec: Annotated[int, Field(ge=0)] = 10
    percentCanRetry: Annotated[float, Field(ge=0.0, le=1000.0)] = 0.2
    ttlSecs: Annotated[int, Field(ge=1, le=60)] = 10


class ConstantBackoff(Model):
    """The same wait before every retry."""

    kind: Literal["constant"] = "constant"
    ms: Annotated[int, Field(ge=0)] = 0


class Retries(Model):
    """Retries of whole requests."""

    budget: RetryBudgetConfig = RetryBudgetConfig()
    backoff: ConstantBackoff = ConstantBackoff()


class ClassifierConfig(Model):
    """Which answers are failures, and which of them may be retried."""

    kind: Annotated[str, AfterValidator(_classifier)] = DEFAULT_CLASSIFIER


class ServiceConfig(Model):
    """How the requests of services are treated."""

    kind: Literal["io.l5d.global"] = "io.l5d.global"
    totalTimeoutMs: Annotated[int, Field(ge=1)] | None = None
    responseClassifier: ClassifierConfig = ClassifierConfig()
    retries: Retries = Retries()


class ServerConfig(Model):
    """One listener."""

    port: Port | None = None
    ip: str = "127.0.0.1"
    tls: ServerTlsConfig | None = None


class RouterConfig(Model):
    """One router with its listeners."""

    protocol: Literal["http"]
    label: str | None = None
    dtab: DtabText = Dtab()
    dstPrefix: PathText = Path.of("svc")
    identifier: HeaderTokenIdentifier = HeaderTokenIdentifier()
    interpreter: DefaultInterpreter = DefaultInterpreter()
    servers: Annotated[tuple[ServerConfig, ...], Field(min_length=1)]
    client: Clients = ClientConfig()
    service: ServiceConfig = ServiceConfig()
    bindingTimeoutMs: Annotated[int, Field(ge=1)] = 10_000

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
    namers: tuple[FsNamerConfig, ...] = ()
    telemetry: tuple[Telemeter, ...] = ()
    routers: Annotated[tuple[RouterConfig, ...], Field(min_length=1)]
