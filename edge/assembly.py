"""From a checked configuration to the live parts behind the face; what can be kept is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge.answers.audit import Audit
from edge.answers.face import FaceSettings
from edge.grants.desk import GrantDesk
from edge.grants.files import GrantFiles
from edge.rules.rates import Meter, Rate
from edge.settings.compile import Planner, compile_ceiling, compile_places, compile_rules
from edge.verdict.context import Traces
from edge.verdict.forwarding import Forwarding
from edge.verdict.limiter import Limiter, Limits
from edge.verdict.peers import Peers
from edge.verdict.policy import Policy
from mesh.resilience.classify import Classifier
from mesh.routing.router import RouterSettings
from mesh.routing.service import ServiceSettings
from mesh.wiring.tls_wiring import TlsParts
from tracing.propagation import Propagation
from wire.limits import EDGE_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.settings.edge_config import EdgeConfig, ForwardingConfig, LimitsConfig
    from edge.settings.field_types import RateConfig
    from mesh.routing.clients import ClientSettings

# A read that met a dead endpoint is asked of another, within the budget.
_SERVICE = ServiceSettings(classifier=Classifier("io.l5d.http.retryableRead5XX"))


def _wall_s() -> float:
    return time.time_ns() / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """What one configuration makes."""

    config: EdgeConfig
    face: FaceSettings
    router: RouterSettings
    files: GrantFiles | None
    tls: TlsParts  # towards services; of the start


def assemble(
    config: EdgeConfig, before: Assembly | None = None, wall_s: Callable[[], float] = _wall_s
) -> Assembly:
    """Parts for a configuration; counters, meters and verified grants of before go on."""
    desk, files, audit = _grants(config, before)
    tracing = config.tracing
    traces = Traces()
    if tracing is not None:
        traces = Traces(tracing.sample_rate, Propagation(tracing.read, tracing.write))
    rules = compile_rules(config.trust)
    with_peers = bool(config.proxies) or any(rule.peers for rule in rules)
    policy = Policy(
        compile_places(config),
        rules,
        peers=Peers(config.proxies) if with_peers else None,
        desk=desk,
        grant_name=config.grants.name.encode() if config.grants is not None else b"weir-grant",
        traces=traces,
        wall_s=wall_s,
    )
    limits = _limits(config.limits)
    kept = before is not None and before.face.limiter.limits == limits
    forced_per_s = tracing.forced_per_s if tracing is not None else 10.0
    face = FaceSettings(
        policy=policy,
        desk=desk,
        grant_name=config.grants.name.encode() if config.grants is not None else b"weir-grant",
        grant_page=config.grants is not None and config.grants.page,
        limiter=before.face.limiter if before is not None and kept else Limiter(limits),
        forced=Meter(Rate(forced_per_s, max(1, int(forced_per_s))), 2),
        audit=audit,
        test_status=config.test_endpoint.status,
        test_body=config.test_endpoint.body.encode(),
        forwarding=_forwarding(config.forwarding),
    )
    tls = TlsParts() if before is None else before.tls
    listen = config.all_listeners[0]
    router = RouterSettings(
        label="edge",
        dtab=config.dtab,
        ip=listen.ip,
        port=listen.port,
        limits=EDGE_LIMITS,
        service=_SERVICE,
        client=_client(config, tls) if before is None else before.router.client,
        plan=Planner(config, policy.hosts, _SERVICE),
    )
    return Assembly(config=config, face=face, router=router, files=files, tls=tls)


def _forwarding(config: ForwardingConfig) -> Forwarding | None:
    if not config.forwarded and config.request_id is None:
        return None
    return Forwarding(config.forwarded, (config.request_id or "").encode())


def _client(config: EdgeConfig, tls: TlsParts) -> ClientSettings:
    """How services are dialled; settings by prefix say themselves whether they use links."""
    client = tls.clients(config.client)
    if config.links and client.choose is None:
        return replace(client, pool=replace(client.pool, links=True))
    return client


def _grants(
    config: EdgeConfig, before: Assembly | None
) -> tuple[GrantDesk | None, GrantFiles | None, Audit | None]:
    grants = config.grants
    if grants is None:
        return None, None, None
    old = before.config.grants if before is not None else None
    ceiling = compile_ceiling(grants.allow, grants.lifetime_s_max)
    audit = None
    if grants.audit is not None:
        audit = before.face.audit if before is not None else None
        if audit is None or audit.file != grants.audit:
            audit = Audit(grants.audit)
    if before is not None and before.face.desk is not None and old is not None:
        desk, files = before.face.desk, before.files
        if (old.keys, old.revoked) == (grants.keys, grants.revoked):
            desk.set_ceiling(ceiling)
            return desk, files, audit
    desk = GrantDesk(ceiling)
    files = GrantFiles(desk, grants.keys, grants.revoked)
    files.load()
    return desk, files, audit


def _limits(config: LimitsConfig) -> Limits:
    return Limits(
        client=_rate(config.client),
        host=_rate(config.host),
        grant=_rate(config.grant),
        clients_max=config.clients_max,
    )


def _rate(config: RateConfig | None) -> Rate | None:
    return None if config is None else Rate(config.per_s, config.burst)
