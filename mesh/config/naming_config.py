"""How an operator names services: namers, transformers, interpreters, as in Linkerd 1.x YAML."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from config import Model
from dtab import Path
from mesh.config.config_types import NameServer, PathText, Port, kind_or


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


class RewriteNamerConfig(Model):
    """A pattern with captures, and the name they are put into."""

    kind: Literal["io.l5d.rewrite"]
    prefix: PathText = Path.of("io.l5d.rewrite")
    pattern: str
    name: str


class DnsSrvNamerConfig(Model):
    """Services by their SRV records: `/_http._tcp.web.example`."""

    kind: Literal["io.l5d.dnssrv"]
    prefix: PathText = Path.of("io.l5d.dnssrv")
    dnsHosts: tuple[NameServer, ...] = ()
    """Name servers in place of the system's: addresses, with a port if it is not 53."""
    refreshIntervalSeconds: Annotated[int, Field(ge=1)] = 5
    """When to ask again for what failed or does not exist; an answer is kept for its TTL."""
    transformers: tuple[Transformer, ...] = ()


class DnsNamerConfig(Model):
    """Hosts by their addresses: `/web.example/8080`."""

    kind: Literal["io.weir.dns"]
    prefix: PathText = Path.of("io.weir.dns")
    dnsHosts: tuple[NameServer, ...] = ()
    """Name servers in place of the system's: addresses, with a port if it is not 53."""
    refreshIntervalSeconds: Annotated[int, Field(ge=1)] = 5
    """When to ask again for what failed or does not exist; an answer is kept for its TTL."""
    transformers: tuple[Transformer, ...] = ()


NamerConfig = Annotated[
    FsNamerConfig | RewriteNamerConfig | DnsSrvNamerConfig | DnsNamerConfig,
    Field(discriminator="kind"),
]


class DefaultInterpreter(Model):
    """The router's own dtab and the configured namers."""

    kind: Literal["default"] = "default"
    transformers: tuple[Transformer, ...] = ()


class FsInterpreterConfig(Model):
    """A dtab in a file of its own, followed as it changes; the router's comes behind it."""

    kind: Literal["io.l5d.fs"]
    dtabFile: FilePath
    transformers: tuple[Transformer, ...] = ()


InterpreterConfig = Annotated[
    Annotated[DefaultInterpreter, Tag("default")]
    | Annotated[FsInterpreterConfig, Tag("io.l5d.fs")],
    Discriminator(kind_or("default")),
]
