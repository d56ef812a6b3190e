"""From `edge.yml` to the values that decide: places, rules, a ceiling for grants. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dtab import Path, show, version
from edge.answers.reach import Reach
from edge.grants.desk import Ceiling
from edge.rules.capability import Capability
from edge.rules.identity import CertificateMatch
from edge.rules.place import NO_EDITS, Edits, Place, Redirect
from edge.rules.scope import read_scope
from edge.rules.trust import Rule
from edge.settings.trust_config import Scope
from mesh.faces.identify import service_name
from mesh.routing.plan import Plan
from wire.head import drop_pattern

if TYPE_CHECKING:
    from edge.rules.hosts import HostTable
    from edge.settings.edge_config import EdgeConfig
    from edge.settings.host_config import EditsConfig, HostConfig, WayConfig
    from edge.settings.trust_config import CertificateConfig, GrantCeiling, TrustRule
    from mesh.routing.service import ServiceSettings

_SVC: Final = Path.of("svc")
_INET: Final = Path.of("$", "inet")


def compile_places(config: EdgeConfig) -> dict[str, Place]:
    """Every host rule by its pattern."""
    return {rule.host: _host(rule) for rule in config.host_rules}


def _host(rule: HostConfig) -> Place:
    paths = sorted(rule.paths, key=lambda one: len(one.prefix), reverse=True)
    host = _place(rule, rule.host, b"")
    return replace(host, paths=tuple(_place(one, rule.host, one.prefix.encode()) for one in paths))


def _place(way: WayConfig, pattern: str, prefix: bytes) -> Place:
    redirect = way.redirect
    forward = None
    if way.forward is not None:
        host, _, port = way.forward.rpartition(":")
        forward = _INET + Path.of(host.strip("[]"), port)
    return Place(
        pattern=pattern,
        prefix=prefix,
        service=way.service,
        forward=forward,
        dtab=way.dtab,
        timeout_s=way.timeout_s,
        sample_rate=way.sample_rate,
        server_timing=way.server_timing,
        redirect=None
        if redirect is None
        else Redirect(
            redirect.status,
            (redirect.scheme or "").encode(),
            (redirect.host or "").encode(),
            (redirect.path or "").encode(),
        ),
        request=_edits(way.headers.request),
        response=_edits(way.headers.response),
    )


def _edits(edits: EditsConfig) -> Edits:
    names = [name.encode() for name in (*edits.remove, *edits.set)]
    if not names:
        return NO_EDITS
    lines = b"".join(
        b"\r\n" + name.encode() + b": " + value.encode() for name, value in edits.set.items()
    )
    return Edits(drop_pattern(*map(re.escape, names)), lines)


def compile_rules(rules: tuple[TrustRule, ...]) -> list[Rule]:
    """The rules of trust, in their order."""
    return [_rule(rule) for rule in rules]


def _rule(rule: TrustRule) -> Rule:
    cookie = rule.cookie
    may = rule.may_override
    capability = None
    if isinstance(may, Scope):
        capability = Capability(prefixes=may.prefixes, targets=may.targets)
    elif may:
        capability = Capability()
    return Rule(
        name=rule.name,
        hosts=rule.hosts,
        cookie=cookie.name.encode() if cookie is not None else b"",
        equals=((cookie.equals if cookie is not None else None) or "").encode(),
        contains=((cookie.contains if cookie is not None else None) or "").lower().encode(),
        peers=rule.peers,
        certificate=_certificate(rule.certificate),
        override=show(rule.override).encode(),
        may=capability,
        may_sample=rule.may_sample,
        sample_rate=rule.sample_rate,
        may_debug=rule.may_debug,
    )


def _certificate(said: CertificateConfig | None) -> CertificateMatch | None:
    if said is None:
        return None
    return CertificateMatch(
        dns=said.dns or "",
        uri=said.uri or "",
        subject=said.subject or "",
        sha256=(said.sha256 or "").replace(":", "").upper(),
    )


def compile_ceiling(allow: GrantCeiling, lifetime_s_max: float) -> Ceiling:
    """What no grant may exceed."""
    return Ceiling(
        may=Capability(prefixes=allow.prefixes, targets=allow.targets),
        sample=allow.sample,
        debug=allow.debug,
        lifetime_s_max=lifetime_s_max,
    )


class Planner:
    """From a route's key back to its place: how the router binds it."""

    def __init__(self, config: EdgeConfig, hosts: HostTable[Place], base: ServiceSettings) -> None:
        self._dtab = config.dtab
        self._hosts = hosts
        self._base = base

    def __call__(self, key: bytes) -> Plan:
        """The plan for a key as the policy writes it.

        Shape: `host`, `host /prefix`, or with an override `host /prefix scope`.
        """
        host, _, rest = key.partition(b" ")
        prefix, _, scope = rest.partition(b" ")
        place = self._hosts.find(host)[1]
        if place is None:  # a request of before a reload that is routed behind it
            return Plan(service=service_name(_SVC, host), dtab=self._dtab, settings=self._base)
        if prefix:
            place = place.at(prefix)
        settings = self._base
        if place.timeout_s is not None:
            settings = replace(settings, total_timeout_s=place.timeout_s)
        if place.forward is not None:
            service, steerable = place.forward, False
        else:
            service, steerable = place.service or service_name(_SVC, host), True
        table = self._dtab + place.dtab
        return Plan(
            service=service,
            dtab=table,
            settings=settings,
            steerable=steerable,
            bind=Reach(read_scope(scope), table, service) if scope and steerable else None,
            tags={"edge.host": place.name, "dtab.version": version(table)},
        )
