"""The public's side of the gateway.

Believes a rule, not a header, and shows nothing of the inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dtab import Dtab, DtabSyntaxError, read_dtab
from edge.hosts import Hosts, normal_host
from edge.policy import Policy, leaves_the_mesh
from mesh.context import SEPARATOR, RequestContext, read_linkerd_context
from mesh.face import BAD_REQUEST, LinkerdFace
from mesh.identify import HeaderToken
from proxy.call import Peer, Reply, reason_phrase
from wire.head import drop_pattern
from wire.request import NOT_FOR_UPSTREAM, RequestHead

if TYPE_CHECKING:
    from wire.errors import BadRequest
    from wire.response import ResponseHead

FORBIDDEN: Final = 403
# What a forger would like to say about where a request came from; set anew from the connection
# itself.
_FORWARDED: Final = (rb"x-forwarded-[^:\r\n]*", b"forwarded", b"x-real-ip", b"host", b"via")
_EVERYTHING_OURS: Final = rb"l5d[-_.][^:\r\n]*"
_DOWN: Final = drop_pattern(b"via", _EVERYTHING_OURS)
NORMAL_MAX: Final = 1_000  # spellings of our hosts that are remembered
_VIA: Final = b"\r\nVia: 1.1 weir"


class EdgeFace:
    """Outsiders may steer nothing; employees what their rule says."""

    def __init__(self, hosts: Hosts, policy: Policy, test_body: bytes = b"200 OK") -> None:
        self._hosts = hosts
        self._policy = policy
        self._test_body = test_body
        self._drop = drop_pattern(*NOT_FOR_UPSTREAM, *_FORWARDED, _EVERYTHING_OURS)
        self._drop_of_trusted = drop_pattern(
            *NOT_FOR_UPSTREAM,
            *_FORWARDED,
            rb"l5d(?:[_.][^:\r\n]*|-(?:ctx-trace|ctx-dtab|dtab|sample|reqid|dst-[^:\r\n]*|add-context))",
        )
        self._inside = LinkerdFace(HeaderToken())
        self._normal: dict[bytes, bytes] = {}
        self.dropped = 0  # requests that said something they may not

    def read(self, request: RequestHead, peer: Peer) -> tuple[RequestContext, bytes | None] | Reply:
        """Trust by rule; the service by the host's normal form."""
        del peer
        verdict = self._policy.decide(request.block)
        key = self._key(request.host or b"")
        rule = verdict.rule
        if rule is None:
            self.dropped += verdict.dropped
            return RequestContext(trusted=False), key
        said = read_linkerd_context(request.block)
        if not rule.may_override:
            said.trace = None
            said.local = b""
        elif said.local:
            refused = self._outside_capability(said)
            if refused is not None:
                return refused
        if not rule.may_sample:
            said.sample = None
        if rule.override:
            said.local = rule.override + SEPARATOR + said.local if said.local else rule.override
        said.trusted = rule.may_override
        said.rule = rule.name
        return said, key

    def _key(self, raw: bytes) -> bytes | None:
        """The host's normal form if it is ours; forms that clients use are kept, within a bound."""
        key = self._normal.get(raw)
        if key is None:
            host = normal_host(raw)
            if host not in self._hosts:
                return None
            key = host
            if len(self._normal) < NORMAL_MAX:
                self._normal[raw] = key
        return key

    def _outside_capability(self, said: RequestContext) -> Reply | None:
        table = Dtab()
        try:
            for text in said.local.split(SEPARATOR):
                table += read_dtab(text.decode("latin-1"))
        except DtabSyntaxError as error:
            return self._inside.error(BAD_REQUEST, str(error), said)
        name = leaves_the_mesh(table)
        if name is None:
            return None
        return self._inside.error(
            FORBIDDEN, f"an override may not name {name}: it leads past the mesh's own names", said
        )

    def upstream_block(self, request: RequestHead, context: RequestContext, peer: Peer) -> bytes:
        """The host in its normal form, and where the request really came from."""
        raw = request.host or b""
        host = self._normal.get(raw) or normal_host(raw)
        if request.plain and host == raw:
            block = request.block
        else:
            drop = self._drop_of_trusted if context.trusted else self._drop
            block = request.end_to_end(drop) + b"\r\nHost: " + host
        return (
            b"%b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: http\r\n"
            b"X-Forwarded-Host: %b\r\nVia: 1.1 weir"
        ) % (block, peer.ip.encode(), host)

    def answer_block(
        self, response: ResponseHead, context: RequestContext, *, success: bool
    ) -> bytes:
        """Nothing of the inside for outsiders."""
        del success
        block = response.end_to_end()
        if not context.trusted or b"ia:" in block:
            block = _DOWN.sub(b"", block)
        return block + _VIA

    def error(
        self, status: int, message: str, context: RequestContext, *, retryable: bool = False
    ) -> Reply:
        """The status and nothing more; the message for the trusted."""
        if context.trusted:
            return self._inside.error(status, message, context, retryable=retryable)
        return _plain(status)

    def unidentified(self, request: RequestHead, context: RequestContext, peer: Peer) -> Reply:
        """A host that is not ours: the test endpoint that says the gateway is up."""
        del request, context, peer
        return Reply(200, self._test_body)

    def refused(self, error: BadRequest, peer: Peer) -> Reply:
        """One line on what was wrong with the bytes.

        It tells an attacker nothing that he did not send.
        """
        del peer
        return Reply(error.status, f"{error.reason}\n".encode(), close=True)


def _plain(status: int) -> Reply:
    return Reply(status, b"%d %b\n" % (status, reason_phrase(status)))
