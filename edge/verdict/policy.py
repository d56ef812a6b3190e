"""What is believed of one request: a function of its head and the configuration. Pure.

An outsider may say nothing: every `l5d-*` header is dropped unread. A rule that knows the request,
or a grant that it holds, gives it an override, or leave to bring its own within bounds. With a
trail, each step says what it decided and why; without, it costs nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from edge.grants.grant import GrantRefused
from edge.rules.cookies import cookies
from edge.rules.hosts import HostTable
from edge.rules.paths import AmbiguousPath, is_normal, normal_target
from edge.verdict import reasons
from edge.verdict.context import UNTRACED, Answer, EdgeContext, Traces
from edge.verdict.own_dtab import OwnDtabs
from edge.verdict.reasons import Fits
from mesh.context import SEPARATOR, read_linkerd_context
from tracing.context import DEBUG, SAMPLED, SAMPLING_KNOWN, TraceContext
from tracing.propagation import NOTHING
from wire.head import first_value, values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge.grants.desk import GrantDesk
    from edge.rules.place import Place
    from edge.rules.trust import Rule
    from edge.verdict.peers import Peers
    from edge.verdict.trail import Trail
    from mesh.context import RequestContext
    from proxy.call import Peer
    from wire.request import RequestHead

# `_` and `.` for `-` reach applications as the same name through CGI-like gateways.
OURS: Final = re.compile(rb"\r\n(?:l5d|weir)[-_.]", re.IGNORECASE)
# Everything below is the gateway's own.
OWN_PATHS: Final = b"/.weir/"
_DEBUG_HEADER: Final = b"weir-debug"
BAD_REQUEST: Final = 400


class Policy:
    """Places, rules of trust in order, and grants; swapped whole when the configuration changes."""

    def __init__(
        self,
        places: Mapping[str, Place],
        rules: Sequence[Rule] = (),
        *,
        peers: Peers | None = None,
        desk: GrantDesk | None = None,
        grant_name: bytes = b"weir-grant",
        traces: Traces = UNTRACED,
        wall_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.rules = tuple(rules)
        self.hosts = HostTable(places)
        self._desk = desk
        self._grant_name = grant_name
        self.traces = traces
        self._wall_s = wall_s
        self._peers = peers
        marks = {rule.cookie + b"=" for rule in rules if rule.cookie}
        self._marks = tuple(marks | {grant_name + b"="} if desk is not None else marks)
        self._by_peer = any(rule.peers for rule in rules)
        self._by_certificate = any(rule.certificate is not None for rule in rules)
        self._own_dtabs = OwnDtabs()

    def decide(self, request: RequestHead, peer: Peer, trail: Trail | None = None) -> EdgeContext:
        """The verdict on a request. The head is not changed."""
        block = request.block
        host, place = self.hosts.find(request.host or b"")
        ours = not request.plain and OURS.search(block) is not None
        known = ours or self._by_peer or self._marked(block)
        if peer.tls is not None and self._by_certificate:
            known = True
        try:
            target = normal_target(request.target)
        except AmbiguousPath as error:
            return self._ambiguous(request, host, peer, error, trail)
        context = EdgeContext(
            trusted=False,
            host=host,
            target=target,
            method=request.method,
            block=block,
            client=peer.ip,
            dropped=ours,
        )
        if peer.tls is not None:
            context.https = True
        if self._peers is not None:
            self._peers.place(context, block)
        by_path = place is not None and bool(place.paths)
        if place is not None:
            if by_path:
                place = place.at(target)
            context.place = place
            context.own = target.startswith(OWN_PATHS)
            context.key = host + b" " + place.prefix if place.prefix else host
            rate = place.sample_rate
            context.sample = context.fallback_rate = (
                self.traces.sample_rate if rate is None else rate
            )
        if trail is not None:
            reasons.arrived(trail, context, request, self.traces.sample_rate)
        if known:
            self._trust(context, request, peer, trail)
        if place is not None:
            if place.redirect is not None:
                _redirect(context, request, place)
            context.steady = not (known or by_path or place.redirect or context.own)
            context.asked = request.host if request.plain else None
        if trail is not None:
            reasons.decided(trail, context, request)
        return context

    def again(self, context: EdgeContext, request: RequestHead) -> bool:
        """Make a connection's last verdict, a steady one, this request's, if it is the same."""
        target = request.target
        if target != context.target and not is_normal(target):
            return False
        if context.block is not request.block:
            # Other lines: they decide nothing, where none but the same Host concerns anyone.
            block = request.block
            if not request.plain or request.host != context.asked or self._marked(block):
                return False
            context.block, context.upstream = block, b""
        context.method, context.target = request.method, target
        context.trace = context.answer = context.tags = None  # what was said of the last one
        context.deadlines = ()
        return True

    # ---- trust

    def _marked(self, block: bytes) -> bool:
        """Whether a cookie that some rule asks for may be there. A loop: any() costs 0.3 µs."""
        find = block.find  # half of what `in` costs
        for mark in self._marks:  # noqa: SIM110
            if find(mark) >= 0:
                return True
        return False

    def _trust(
        self, context: EdgeContext, request: RequestHead, peer: Peer, trail: Trail | None
    ) -> None:
        jar = cookies(request.block)
        rule = self._granted(context, request, jar, trail)
        if rule is None:
            rule = self._matching(context, jar, peer, trail)
        if rule is None:
            return
        context.by = rule
        context.rule = rule.name
        context.dropped = False
        context.tags = tags = {"edge.rule": rule.name}
        if rule.grant:
            tags["edge.grant"] = rule.grant
        said = read_linkerd_context(request.block)
        context.via = said.via
        context.trusted = rule.may is not None
        self._sampling(context, rule, said, request)
        if rule.may is None:
            context.dropped = bool(said.local)
            said.local = b""
        elif said.local:
            context.answer = self._own_dtabs.refusal(rule, said.local)
            tags["edge.override"] = "own"
        context.local = said.local
        if rule.override:
            context.local = rule.override + SEPARATOR + said.local if said.local else rule.override
            tags.setdefault("edge.override", "rule")
        if context.local and context.place is not None:
            # Who may lead where is part of what a route is.
            context.key = context.host + b" " + context.place.prefix + rule.scope

    def _granted(
        self,
        context: EdgeContext,
        request: RequestHead,
        jar: dict[bytes, list[bytes]],
        trail: Trail | None,
    ) -> Rule | None:
        desk = self._desk
        if desk is None:
            return None
        name = self._grant_name
        tokens = set(values(request.block, name)) | set(jar.get(name, ()))
        if not tokens:
            return None
        try:
            grant = desk.open_one(
                tokens, context.host, request.method, self._wall_s(), context.client
            )
        except GrantRefused as refused:
            context.dropped = True
            context.tags = {"edge.grant.refused": refused.reason.value}
            if trail is not None:
                reasons.grant_refused(trail, refused)
            return None
        context.grant = grant
        if trail is not None:
            reasons.granted(trail, grant)
        return grant.rule

    def _matching(
        self,
        context: EdgeContext,
        jar: dict[bytes, list[bytes]],
        peer: Peer,
        trail: Trail | None,
    ) -> Rule | None:
        for rule in self.rules:
            host_fits = rule.is_for(context.host)
            cookie_fits = not rule.cookie or rule.knows_cookie(jar.get(rule.cookie))
            peer_fits = not rule.peers or (
                self._peers is not None and self._peers.within(context.client, rule.peers)
            )
            shown = rule.certificate is None or rule.knows_certificate(peer.tls)
            if trail is not None:
                reasons.tried(trail, rule, jar, Fits(host_fits, cookie_fits, peer_fits, shown))
            if host_fits and cookie_fits and peer_fits and shown:
                return rule
        return None

    def _sampling(
        self, context: EdgeContext, rule: Rule, said: RequestContext, request: RequestHead
    ) -> None:
        """What a trusted request's own trace and rate count for."""
        inbound = NOTHING
        if rule.may is not None:
            inbound = self.traces.propagation.extract(request.block)
        trace = inbound.trace
        if trace is not None:
            flags = trace.flags
            if not rule.may_debug:
                flags &= ~DEBUG
            if not rule.may_sample:
                flags &= ~(SAMPLED | SAMPLING_KNOWN)
            if flags != trace.flags:
                trace = TraceContext(trace.trace_id, trace.span_id, trace.parent_id, flags)
            if flags & SAMPLING_KNOWN:
                context.sample = None  # the decision came along
                context.forced = bool(flags & SAMPLED)
            context.forced = context.forced or bool(flags & DEBUG)
            context.trace, context.trace_state = trace, inbound.state
        asked = None
        if rule.may_sample:
            asked = inbound.sample if said.sample is None else said.sample
        if asked is None:
            asked = rule.sample_rate
        if rule.may_debug and first_value(request.block, _DEBUG_HEADER) == b"1":
            context.debug = True
            asked = 1.0
        if asked is not None:
            context.sample = asked
            context.forced = asked > (context.fallback_rate or 0.0)

    def _ambiguous(
        self,
        request: RequestHead,
        host: bytes,
        peer: Peer,
        error: AmbiguousPath,
        trail: Trail | None,
    ) -> EdgeContext:
        context = EdgeContext(
            trusted=False,
            host=host,
            target=request.target,
            method=request.method,
            block=request.block,
            client=peer.ip,
        )
        # It tells nobody more than what he sent.
        context.answer = Answer(BAD_REQUEST, "path", str(error))
        if trail is not None:
            reasons.arrived(trail, context, request, self.traces.sample_rate)
            reasons.decided(trail, context, request)
        return context


def _redirect(context: EdgeContext, request: RequestHead, place: Place) -> None:
    redirect = place.redirect
    if redirect is None or context.answer is not None:
        return
    scheme = redirect.scheme or (b"https" if context.https else b"http")
    host = redirect.host or request.host or context.host
    where = scheme + b"://" + host + (redirect.path or context.target)
    context.answer = Answer(redirect.status, "redirect", "", b"\r\nLocation: " + where, b"")
