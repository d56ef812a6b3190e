"""From configuration to live parts: namers, transformers, interpreters, routers."""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import TYPE_CHECKING, Final, assert_never

from dtab import Path
from mesh.config.config_types import name_server
from mesh.config.naming_config import (
    ConstTransformer,
    DaemonsetTransformer,
    DnsNamerConfig,
    DnsSrvNamerConfig,
    FsInterpreterConfig,
    FsNamerConfig,
    LocalhostTransformer,
    LocalnodeTransformer,
    PortTransformer,
    ReplaceTransformer,
    RewriteNamerConfig,
    SpecificHostTransformer,
)
from mesh.faces.server_face import ServerFace
from mesh.routing.router import Router, RouterSettings
from mesh.wiring.router_parts import make_face, make_identifier, make_limits, make_plan
from naming import transformers as to
from naming.fs_interpreter import FsInterpreter
from naming.interpreter import ConfiguredInterpreter
from naming.namers.dns import DnsNamer, client, host_question, srv_question
from naming.namers.fs import FsNamer
from naming.namers.inet import InetResolver
from naming.namers.rewrite import RewriteNamer
from naming.system import SystemNamers
from naming.transformer import AnyTransformer, TransformedNamer, Transformer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh.config.linkerd_config import RouterConfig
    from mesh.config.naming_config import NamerConfig
    from mesh.config.naming_config import Transformer as TransformerConfig
    from mesh.config.server_config import ServerConfig
    from mesh.deps import Deps
    from mesh.routing.clients import ClientSettings
    from naming.namer import Namer
    from proxy.tasks import Tasks

_PREFIX = Path.of("#")
_SIOCGIFADDR: Final = 0x8915


def make_transformers(configs: Sequence[TransformerConfig]) -> list[AnyTransformer]:
    """The transformers in their order."""
    return [_transformer(config) for config in configs]


def _transformer(config: TransformerConfig) -> AnyTransformer:
    match config:
        case PortTransformer():
            return to.PortTransformer(config.port)
        case LocalhostTransformer():
            return to.localhost(own_addresses())
        case SpecificHostTransformer():
            return to.specific_host(socket.gethostbyname(config.host))
        case ConstTransformer():
            return to.ConstTransformer(config.path)
        case ReplaceTransformer():
            return to.ReplaceTransformer(config.path)
        case DaemonsetTransformer():
            nodes = [to.Node.of(node.ip, node.pods) for node in config.nodes]
            return to.DaemonsetTransformer(nodes, config.port)
        case LocalnodeTransformer():
            return to.LocalnodeTransformer(config.pods, config.node)
    assert_never(config)


def own_addresses() -> list[str]:
    """The IPv4 addresses of this machine's interfaces. Source: Linux, SIOCGIFADDR."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:
                continue  # an interface without an IPv4 address
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


class Namers:
    """The configured namers, running."""

    def __init__(self, configs: Sequence[NamerConfig]) -> None:
        self._resolver = InetResolver()
        self._files: list[FsNamer] = []
        self._dns: list[DnsNamer] = []
        self.namers: list[Namer] = [self._namer(config) for config in configs]
        self.namers.reverse()  # Linkerd prefers the one that is configured later
        self.namers.append(SystemNamers(self._resolver))

    def _namer(self, config: NamerConfig) -> Namer:
        prefix = _PREFIX + config.prefix
        if isinstance(config, RewriteNamerConfig):
            return RewriteNamer(prefix, config.pattern, config.name)
        namer: Namer
        if isinstance(config, FsNamerConfig):
            namer = files = FsNamer(config.rootDir, prefix, self._resolver)
            self._files.append(files)
        else:
            namer = names = _dns_namer(config, prefix)
            self._dns.append(names)
        made = make_transformers(config.transformers)
        inner = [one for one in made if isinstance(one, Transformer)]
        return TransformedNamer(namer, inner) if inner else namer

    async def start(self) -> None:
        """Begin to watch."""
        for namer in self._files:
            await namer.start()

    async def aclose(self) -> None:
        """Stop watching."""
        for files in self._files:
            await files.aclose()
        for names in self._dns:
            await names.aclose()
        await self._resolver.aclose()


def _dns_namer(config: DnsSrvNamerConfig | DnsNamerConfig, prefix: Path) -> DnsNamer:
    read = srv_question if isinstance(config, DnsSrvNamerConfig) else host_question
    servers = [name_server(text) for text in config.dnsHosts]
    retry_s = float(config.refreshIntervalSeconds)
    return DnsNamer(prefix, client(servers), read, retry_s=retry_s)


def make_router(
    config: RouterConfig,
    server: ServerConfig,
    client: ClientSettings,
    namers: Namers,
    deps: Deps,
    tasks: Tasks,
) -> Router:
    """One router for one of its servers."""
    identifier = make_identifier(config)
    settings = router_settings(config, server, client)
    face = make_face(config, server, settings.port, identifier, deps)
    router = Router(settings, face, make_interpreter(config, namers), deps, tasks)
    if isinstance(face, ServerFace):
        face.pending = router.pending
    return router


def router_settings(
    config: RouterConfig, server: ServerConfig, client: ClientSettings
) -> RouterSettings:
    """What a router's configuration says, for one of its servers."""
    return RouterSettings(
        label=config.name,
        dtab=config.dtab,
        ip=server.ip,
        port=server.port,
        prefix=config.dstPrefix,
        limits=make_limits(config),
        client=client,
        binding_timeout_s=config.bindingTimeoutMs / 1_000,
        plan=make_plan(config, server, make_identifier(config)),
    )


def make_interpreter(config: RouterConfig, namers: Namers) -> ConfiguredInterpreter:
    """How a router's names are bound. One that follows a file is still to be started."""
    made = make_transformers(config.interpreter.transformers)
    if isinstance(config.interpreter, FsInterpreterConfig):
        return FsInterpreter(config.interpreter.dtabFile, namers.namers, made)
    return ConfiguredInterpreter(namers.namers, transformers=made)
