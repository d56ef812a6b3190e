"""From configuration to live parts: namers, transformers, interpreters, routers."""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import TYPE_CHECKING, Final, assert_never

from dtab import Path
from mesh.linkerd_config import (
    ConstTransformer,
    DaemonsetTransformer,
    LocalhostTransformer,
    LocalnodeTransformer,
    PortTransformer,
    ReplaceTransformer,
    RewriteNamerConfig,
    SpecificHostTransformer,
)
from mesh.router import Router, RouterSettings
from mesh.router_parts import make_face, make_identifier, make_limits, make_plan
from mesh.server_face import ServerFace
from naming import transformers as to
from naming.interpreter import ConfiguredInterpreter
from naming.namers.fs import FsNamer
from naming.namers.inet import InetResolver
from naming.namers.rewrite import RewriteNamer
from naming.system import SystemNamers
from naming.transformer import AnyTransformer, TransformedNamer, Transformer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh.clients import ClientSettings
    from mesh.deps import Deps
    from mesh.linkerd_config import NamerConfig, RouterConfig
    from mesh.linkerd_config import Transformer as TransformerConfig
    from mesh.server_config import ServerConfig
    from naming.namer import Namer
    from proxy.tasks import Tasks

_PREFIX = Path.of("#")
DEFAULT_PORT: Final = 4140  # Linkerd: of protocol http
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
        self._started: list[FsNamer] = []
        self.namers: list[Namer] = []
        for config in configs:
            if isinstance(config, RewriteNamerConfig):
                prefix = _PREFIX + config.prefix
                self.namers.append(RewriteNamer(prefix, config.pattern, config.name))
                continue
            namer = FsNamer(config.rootDir, _PREFIX + config.prefix, self._resolver)
            self._started.append(namer)
            inner = [
                one
                for one in make_transformers(config.transformers)
                if isinstance(one, Transformer)
            ]
            self.namers.append(TransformedNamer(namer, inner) if inner else namer)
        self.namers.reverse()  # Linkerd prefers the one that is configured later
        self.namers.append(SystemNamers(self._resolver))

    async def start(self) -> None:
        """Begin to watch."""
        for namer in self._started:
            await namer.start()

    async def aclose(self) -> None:
        """Stop watching."""
        for namer in self._started:
            await namer.aclose()
        await self._resolver.aclose()


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
        port=DEFAULT_PORT if server.port is None else server.port,
        prefix=config.dstPrefix,
        limits=make_limits(config),
        client=client,
        binding_timeout_s=config.bindingTimeoutMs / 1_000,
        plan=make_plan(config, server, make_identifier(config)),
    )


def make_interpreter(config: RouterConfig, namers: Namers) -> ConfiguredInterpreter:
    """How a router's names are bound."""
    return ConfiguredInterpreter(
        namers.namers, transformers=make_transformers(config.interpreter.transformers)
    )
