"""The public's side of the gateway.

Believes a rule, not a header, and shows nothing of the inside.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from edge.answers.grant_page import own_answer
from edge.answers.pages import error_reply
from edge.answers.told import told_lines
from edge.grants.grant import GrantRefused
from edge.rules.place import NO_EDITS
from edge.rules.rates import Meter, Rate
from edge.verdict.context import Answer, EdgeContext
from edge.verdict.limiter import Limiter, Limits
from edge.verdict.lines import DROP, OF_TRUSTED, hidden
from edge.verdict.trail import Trail
from proxy.call import Peer, Reply
from tracing.context import DEBUG, SAMPLED, SAMPLING_KNOWN, TraceContext
from wire.head import drop_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.answers.audit import Audit
    from edge.grants.desk import GrantDesk
    from edge.verdict.forwarding import Forwarding
    from edge.verdict.policy import Policy
    from mesh.context import RequestContext
    from mesh.routing.router import Router
    from wire.errors import BadRequest
    from wire.request import RequestHead
    from wire.response import ResponseHead

_VIA: Final = b"\r\nVia: 1.1 weir"
_SAID_MAX: Final = 4_000
_WHY_MAX: Final = 500
# Which step of the way an error of the router stands for.
_STAGES: Final = {403: "override", 502: "upstream", 503: "upstream", 504: "upstream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceSettings:
    """What a reload swaps, as one value."""

    policy: Policy
    desk: GrantDesk | None = None
    grant_name: bytes = b"weir-grant"
    grant_page: bool = True
    limiter: Limiter = field(default_factory=lambda: Limiter(Limits()))
    forced: Meter = field(default_factory=lambda: Meter(Rate(10.0, 10), 2))
    audit: Audit | None = None
    test_status: int = 200
    test_body: bytes = b"200 OK"
    forwarding: Forwarding | None = None


class EdgeFace:
    """Outsiders may steer nothing; employees what their rule or their grant says."""

    def __init__(
        self,
        settings: FaceSettings,
        monotonic_s: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.dropped = 0  # requests that said something they may not
        self.ambiguous = 0  # paths that two servers may read in two ways
        self.router: Router | None = None  # whose face this is, once there is one
        self.say: Callable[[str], None] = lambda _: None
        self._monotonic_s = monotonic_s
        self._wall_ns = wall_ns
        self.configure(settings)

    def configure(self, settings: FaceSettings) -> None:
        """Judge by new settings from the next request on."""
        self.settings = settings
        self._policy = settings.policy
        self.propagation = settings.policy.traces.propagation
        # Of the trusted a trace in another form than those written here is theirs to pass on.
        self._drop_of_trusted = drop_pattern(*OF_TRUSTED, *self.propagation.names)
        self._cookie_mark = settings.grant_name + b"="
        name = re.escape(settings.grant_name)
        self._grant_pair = re.compile(rb"(?:\A|[ \t])" + name + b"=", re.IGNORECASE)

    def read(self, request: RequestHead, peer: Peer) -> tuple[RequestContext, bytes | None] | Reply:
        """Trust by rule; the service by the host's normal form."""
        settings = self.settings
        context = self._decided(request, peer)
        if settings.limiter.active:
            refusal = settings.limiter.check(context, self._monotonic_s())
            if refusal is not None:
                context.answer = refusal
        if context.own and context.answer is None:
            context.answer = self._own(context, request)
        if context.tags is not None:
            self._mind_trust(context, request, peer)
        if settings.desk is not None and request.block.find(self._cookie_mark) >= 0:
            # A service must not be able to use its visitor's grant.
            request.block = self._without_grant(request.block)
        return context, None if context.answer is not None else context.key

    def _decided(self, request: RequestHead, peer: Peer) -> EdgeContext:
        """The policy's verdict, or the last one of this connection, where the same lines came."""
        verdict: tuple[Policy, EdgeContext] | None = request.verdict
        if verdict is not None:
            policy, context = verdict
            if policy is self._policy and policy.again(context, request):
                return context
        context = self._policy.decide(request, peer)
        self.dropped += context.dropped
        request.target = context.target
        request.verdict = (self._policy, context) if context.steady else None
        return context

    def _mind_trust(self, context: EdgeContext, request: RequestHead, peer: Peer) -> None:
        """What only requests cost that are trusted, or hold a grant that is not."""
        settings = self.settings
        if settings.audit is not None and context.tags is not None:
            reason = context.tags.get("edge.grant.refused")
            if reason is not None:
                settings.audit.refused(context, reason)
        if context.forced and settings.forced.take(b"", self._monotonic_s()) > 0.0:
            context.sample = context.fallback_rate
            trace = context.trace
            if trace is not None:
                flags = trace.flags & ~(DEBUG | SAMPLED | SAMPLING_KNOWN)
                context.trace = TraceContext(trace.trace_id, trace.span_id, trace.parent_id, flags)
        if context.debug:
            trail = Trail()
            self._policy.decide(request, peer, trail)
            context.trail = trail
            self.say(f"asked to debug: {trail.as_header()[:_SAID_MAX]}")

    def _own(self, context: EdgeContext, request: RequestHead) -> Answer:
        settings = self.settings
        desk = settings.desk
        if desk is None or not settings.grant_page:
            return Answer(404, "path")

        def good_for_s(token: bytes) -> int | None:
            now_s = self._wall_ns() / 1e9
            try:
                grant = desk.open(token, context.host, b"GET", now_s, context.client)
            except GrantRefused as refused:
                context.tags = {"edge.grant.refused": refused.reason.value}
                return None
            return max(1, int(grant.expires_s - now_s))

        return own_answer(context, request, settings.grant_name, good_for_s)

    def _without_grant(self, block: bytes) -> bytes:
        """The block without the grant's cookie, however often it is given. Takes linear time."""

        def cleared(line: re.Match[bytes]) -> bytes:
            pairs = line[2].split(b";")
            kept = [pair for pair in pairs if not self._grant_pair.search(pair)]
            if len(kept) == len(pairs):
                return line[0]
            rest = b";".join(kept).strip(b" \t")
            return line[1] + b" " + rest if rest else b""

        return _COOKIE_LINE.sub(cleared, block)

    def upstream_block(self, request: RequestHead, context: RequestContext, peer: Peer) -> bytes:
        """The host in its normal form, and where the request really came from."""
        if TYPE_CHECKING:  # `cast` is a call, and these are asked for every request
            assert isinstance(context, EdgeContext)
        if context.upstream:
            return context.upstream
        if context.grant is not None:
            self.audit_use(context)
        host = context.host
        if request.plain and host == request.host:
            block = request.block
        else:
            drop = self._drop_of_trusted if context.trusted else DROP
            block = request.end_to_end(drop) + b"\r\nHost: " + host
        place = context.place
        if place is not None and place.request is not NO_EDITS:
            block = place.request.apply(block)
        if context.trace_state and "w3c" in self.propagation.write:
            block += b"\r\ntracestate: " + context.trace_state
        if self.settings.forwarding is not None:
            block = self.settings.forwarding.upstream(block, context, peer.ip)
        if not context.origin:
            context.origin = _origin(context, peer.ip)
        block += context.origin
        if context.steady and self.settings.forwarding is None:  # else a request has its own id
            context.upstream = block
        return block

    def audit_use(self, context: EdgeContext, outcome: str = "routed") -> None:
        """Write down that a grant was used, once a request."""
        audit = self.settings.audit
        if audit is not None and not context.audited:
            context.audited = True
            audit.use(context, outcome)

    def answer_block(
        self, response: ResponseHead, context: RequestContext, *, success: bool
    ) -> bytes:
        """Nothing of the inside for outsiders."""
        del success
        if TYPE_CHECKING:  # `cast` is a call, and these are asked for every request
            assert isinstance(context, EdgeContext)
        block = response.end_to_end()
        place = context.place
        if not response.plain:
            block = hidden(context).sub(b"", block)
        if place is not None and place.response is not NO_EDITS:
            block = place.response.apply(block)
        if context.by is not None:
            block += told_lines(context, self.router)
        if self.settings.forwarding is not None:
            block = self.settings.forwarding.answer(block, context)
        return block + _VIA

    def hint_block(self, response: ResponseHead, context: RequestContext) -> bytes:
        """As of an answer; what the gateway itself has to tell comes with that."""
        context = cast("EdgeContext", context)
        block = response.end_to_end()
        if not response.plain:
            block = hidden(context).sub(b"", block)
        return block if context.place is None else context.place.response.apply(block)

    def error(
        self, status: int, message: str, context: RequestContext, *, retryable: bool = False
    ) -> Reply:
        """Status, stage and trace; the message for the trusted."""
        context = cast("EdgeContext", context)
        self.audit_use(context, str(status))
        block = b"\r\nl5d-retryable: true" if retryable and context.trusted else b""
        if context.by is not None:
            block += told_lines(context, self.router)
        stage = _STAGES.get(status, "override" if context.local else "gateway")
        return error_reply(status, stage, message, context, block)

    def unidentified(self, request: RequestHead, context: RequestContext, peer: Peer) -> Reply:
        """The gateway's own answer; for a host that is not ours, the test endpoint's."""
        del request, peer
        context = cast("EdgeContext", context)
        answer = context.answer
        if answer is None:
            return Reply(self.settings.test_status, self.settings.test_body)
        self.audit_use(context, f"{answer.status} {answer.stage}")
        why = f"{answer.stage}: {answer.message}" if answer.message else answer.stage
        uri = context.target.partition(b"?")[0].decode("latin-1")
        tags = {"edge.answer": why[:_WHY_MAX], "http.uri": uri[:_WHY_MAX]}
        context.tags = tags if context.tags is None else context.tags | tags
        if answer.body is not None:
            return Reply(answer.status, answer.body, answer.block)
        self.ambiguous += answer.stage == "path"
        block = answer.block
        if context.by is not None:
            block += told_lines(context, self.router)
        return error_reply(answer.status, answer.stage, answer.message, context, block)

    def refused(self, error: BadRequest, peer: Peer) -> Reply:
        """One line on what was wrong with the bytes.

        It tells an attacker nothing that he did not send.
        """
        del peer
        return Reply(error.status, f"{error.reason}\n".encode(), close=True)


_COOKIE_LINE: Final = re.compile(rb"(\r\ncookie:)([^\r\n]*)", re.IGNORECASE)


def _origin(context: EdgeContext, peer_ip: str) -> bytes:
    ip = context.client if context.client == peer_ip else f"{context.client}, {peer_ip}"
    return (
        b"\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\nVia: 1.1 weir"
    ) % (ip.encode(), b"https" if context.https else b"http", context.host)
