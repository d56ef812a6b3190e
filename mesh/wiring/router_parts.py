"""From a router's configuration to its parts: identifier, plan, face, limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from dtab import version
from mesh.config.identifier_config import (
    HeaderIdentifier,
    HeaderTokenIdentifier,
    MethodAndHostIdentifier,
    PathIdentifier,
    StaticIdentifier,
)
from mesh.config.service_config import ConstantBackoff, JitteredBackoff, StaticServices
from mesh.config.tracing_config import ChosenPropagator, LinkerdPropagator, ZipkinPropagator
from mesh.faces.face import LinkerdFace
from mesh.faces.forwarded import Label
from mesh.faces.identify import (
    FirstOf,
    HeaderPath,
    HeaderToken,
    MethodAndHost,
    PathSegments,
    Static,
)
from mesh.faces.server_face import ServerFace, ServerOptions
from mesh.resilience.backoff import Constant, Jittered
from mesh.resilience.classify import Classifier
from mesh.routing.plan import Plan
from mesh.routing.service import ServiceSettings
from mesh.wiring.prefix import Prefix
from tracing.propagation import LINKERD, ZIPKIN, Propagation
from wire.limits import MESH_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.config.identifier_config import Identifier as IdentifierConfig
    from mesh.config.linkerd_config import RouterConfig
    from mesh.config.server_config import Labeler, ServerConfig
    from mesh.config.service_config import PrefixedService, ServiceConfig
    from mesh.config.tracing_config import Propagator
    from mesh.deps import Deps
    from mesh.faces.identify import Identifier
    from mesh.resilience.backoff import Backoff
    from wire.limits import Limits


def make_identifier(config: RouterConfig) -> Identifier:
    """The router's identifier."""
    made = [_identifier(one) for one in config.identifier]
    return made[0] if len(made) == 1 else FirstOf(made)


def _identifier(config: IdentifierConfig) -> Identifier:
    match config:
        case HeaderTokenIdentifier():
            return HeaderToken(config.header)
        case HeaderIdentifier():
            return HeaderPath(config.header)
        case MethodAndHostIdentifier():
            return MethodAndHost(config.httpUriInDst)
        case PathIdentifier():
            return PathSegments(config.segments, config.consume)
        case StaticIdentifier():
            return Static(config.path)
    assert_never(config)


def make_backoff(config: ConstantBackoff | JitteredBackoff) -> Backoff:
    """The waits between tries."""
    if isinstance(config, JitteredBackoff):
        return Jittered(config.minMs / 1_000, config.maxMs / 1_000)
    return Constant(config.ms / 1_000)


def make_plan(
    config: RouterConfig, server: ServerConfig, identifier: Identifier
) -> Callable[[bytes], Plan]:
    """What is settled about each key: its name, and how its requests are treated."""
    base = ServiceSettings()
    if server.timeoutMs is not None:
        name = f"{server.ip}/{server.port}"
        base = replace(base, server_timeout=(server.timeoutMs / 1_000, name))
    tags = {"dtab.version": version(config.dtab)}
    service = config.service
    if isinstance(service, StaticServices):
        chosen = [(Prefix(one.prefix), one) for one in service.configs]
    else:
        base, chosen = _with_service(base, service), []

    def plan(key: bytes) -> Plan:
        name = config.dstPrefix + identifier.name(key)
        settings = base
        for prefix, one in chosen:  # later ones override, key by key
            if prefix.match(name) is not None:
                settings = _with_service(settings, one)
        return Plan(service=name, dtab=config.dtab, settings=settings, tags=tags)

    return plan


def _with_service(
    settings: ServiceSettings, config: ServiceConfig | PrefixedService
) -> ServiceSettings:
    if config.totalTimeoutMs is not None:
        settings = replace(settings, total_timeout_s=config.totalTimeoutMs / 1_000)
    if config.responseClassifier is not None:
        settings = replace(settings, classifier=Classifier(config.responseClassifier.kind))
    if config.retries is not None:
        budget = config.retries.budget
        settings = replace(
            settings,
            backoff=make_backoff(config.retries.backoff),
            budget_min_retries_per_s=budget.minRetriesPerSec,
            budget_percent_can_retry=budget.percentCanRetry,
            budget_ttl_s=float(budget.ttlSecs),
        )
    return settings


def make_face(
    config: RouterConfig, server: ServerConfig, port: int, identifier: Identifier, deps: Deps
) -> LinkerdFace:
    """The face of one server; the plain one where it has no options."""
    propagation = make_propagation(config.tracePropagator)
    added = server.addForwardedHeader
    options = ServerOptions(
        ip=server.ip,
        port=port,
        depth_max=server.maxCallDepth,
        concurrent_max=server.maxConcurrentRequests,
        clear_context=server.clearContext,
        forwarded_by=None if added is None else _label(added.by, config.name),
        forwarded_for=None if added is None else _label(added.for_, config.name),
        timestamp=(server.timestampHeader or "").encode("latin-1", "replace"),
    )
    if options == ServerOptions(ip=server.ip, port=port):
        return LinkerdFace(identifier, propagation=propagation)
    return ServerFace(identifier, options, deps, propagation)


def make_propagation(config: Propagator) -> Propagation:
    """The headers of traces that a router reads and writes."""
    match config:
        case LinkerdPropagator():
            return LINKERD
        case ZipkinPropagator():
            return ZIPKIN
        case ChosenPropagator():
            return Propagation(config.read, config.write)
    assert_never(config)


def _label(config: Labeler, router: str) -> Label:
    match config.kind:
        case "ip" | "ip:port":
            return Label(config.kind)
        case "router":
            return Label("text", router)
        case "static":
            return Label("text", config.label or "")
        case "requestRandom":
            return Label("random")
    assert_never(config.kind)


def make_limits(config: RouterConfig) -> Limits:
    """How long a request's line and lines may be."""
    block, line = config.maxHeadersKB * 1_024, config.maxInitialLineKB * 1_024
    return replace(
        MESH_LIMITS,
        head_bytes_max=block + line,
        block_bytes_max=block,
        target_bytes_max=line,
        upgrades=frozenset(protocol.encode() for protocol in config.upgrades),
    )
