"""One request on its way through a router.

Picks endpoints, writes heads, judges answers, and leaves spans and counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from mesh.context import deadline
from mesh.faces.answers import (
    NACKED,
    NACKED_FOR_GOOD,
    attempt_timeout,
    remote_failure,
    unable_to_connect,
)
from mesh.faces.face import BAD_GATEWAY
from mesh.resilience.accrual import Standing
from mesh.resilience.classify import FIRST_FAILURE
from proxy.call import Again, Peer, Reply
from proxy.errors import AnswerTimeout, AttemptTimeout, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh.context import RequestContext
    from mesh.deps import Deps
    from mesh.faces.face import Face
    from mesh.routing.branch import Branch
    from mesh.routing.clients import Replica
    from mesh.routing.routes import Route
    from mesh.routing.spans import Spans
    from mesh.stats import Scope
    from proxy.pool import Pool
    from tracing.context import TraceContext
    from wire.request import RequestHead
    from wire.response import ResponseHead

# Attempts that a refused connection may cost one request: Linkerd makes five before accrual takes
# the endpoint out.
CONNECT_ATTEMPTS_MAX: Final = 5
# Of one request. Linkerd knows no such bound: a GET to a service that always fails is sent 101
# times, and takes the budget of everyone with it.
RETRIES_MAX: Final = 10
SERVICE_UNAVAILABLE: Final = 503
_ALIVE: Final = Standing.ALIVE  # by its own name: an Enum's attribute costs 0.1 µs
# What Finagle's servers say of a request that they did not begin; one kind shall not be repeated.
NACK: Final = re.compile(
    rb"\r\n(?:finagle-http-nack|retry-after:[ \t]*0(?=[ \t]*(?:\r|\Z))"
    rb"|(finagle-http-nonretryable-nack))",
    re.IGNORECASE,
)
_RETRYABLE: Final = re.compile(rb"\r\nl5d-retryable:[ \t]*true[ \t]*(?=\r|\Z)", re.IGNORECASE)


class Host(Protocol):
    """What a call asks of its router; `router.py` has it."""

    deps: Deps
    face: Face
    spans: Spans
    stats: Scope

    def unable_to_route(self, route: Route) -> str:
        """Linkerd's text for a name that leads to nobody."""


class RoutedCall:
    """The routing side of one exchange.

    No slots, but defaults in the class: most requests never change them, and 0.1 µs a request is
    saved by not setting them.
    """

    _attempts = 0
    _retries = 0
    _avoid: Sequence[Replica] = ()
    branch: Branch | None = None
    _replica: Replica | None = None
    child_id = b""
    _head = b""
    failure = ""
    _status = 0
    _start_us = 0
    _ordinary = True  # one attempt, and a success
    _waited_s = 0.0  # before the last retry
    _received: tuple[bytes, ...] = ()
    attempt_timeout_s: float | None = None

    def __init__(  # noqa: PLR0913, PLR0917 - what a request brings; a value between would cost an object
        self,
        router: Host,
        route: Route,
        request: RequestHead,
        context: RequestContext,
        peer: Peer,
        trace: TraceContext,
        recorded: bool,  # noqa: FBT001 - passed on by position, with the rest of an Arrival
        started_at: float,
    ) -> None:
        self._router = router
        self.route = route
        self.request = request
        self.context = context
        self.peer = peer
        self.trace = trace
        self._recorded = recorded
        self.started_at = self.attempt_at = started_at
        self.timeout_s = route.timeout_s
        route.stats.pending += 1
        route.budget.fresh += 1

    # ---- asked by the engine

    def dial(self) -> Pool | Reply:
        """The pool of the next replica."""
        deps = self._router.deps
        branch = self.branch
        if branch is None:
            route = self.route
            branch = route.only or route.branch(deps.dice)
            if branch is None:
                route.look_again()
                branch = route.branch(deps.dice)
            self.branch = branch
            if branch is None:
                return self._nobody_there(route.failure, route.failure_status)
        # The first attempt begins with the request; the clock is asked for the others.
        now = deps.monotonic_s() if self._attempts else self.started_at
        client = branch.client
        replica = client.only or client.pick(now, self._avoid)
        if replica is None:
            if client.fixed_status:
                return Reply(client.fixed_status, b"", b"")
            return self._nobody_there(client.trouble)
        self._attempts += 1
        self._replica = replica
        self.attempt_timeout_s = client.attempt_timeout_s
        self.attempt_at = now
        replica.pending += 1
        if replica.accrual.standing is not _ALIVE:
            replica.accrual.on_pick(now)
        return replica.pool

    def head(self) -> bytes:
        """The head for this attempt; a retry gets a client span of its own."""
        if not self._head:
            branch = self.branch
            assert branch is not None
            router, request = self._router, self.request
            self.child_id = child_id = router.deps.new_id()
            if self.timeout_s is not None or self.attempt_timeout_s is not None:
                self._tell_deadline()
            self._head = b"%b %b HTTP/1.1%b%b%b" % (
                request.method,
                request.target,
                router.face.upstream_block(request, self.context, self.peer),
                router.face.propagation.inject(self.trace, child_id),
                branch.lines,
            )
        return self._head

    def _tell_deadline(self) -> None:
        """Add our own timeouts to the deadlines that go on with the request."""
        started_ns = self.started_us() * 1_000
        passed_ns = int((self.attempt_at - self.started_at) * 1e9)
        timeouts = ((started_ns, self.timeout_s), (started_ns + passed_ns, self.attempt_timeout_s))
        own = tuple(deadline(at, limit) for at, limit in timeouts if limit is not None)
        if not self._received:
            self._received = self.context.deadlines or (b"",)  # of the caller; none is kept too
        self.context.deadlines = (*filter(None, self._received), *own)

    def on_interim(self, response: ResponseHead) -> bytes:
        """A hint may tell no more of the inside than the answer."""
        return self._router.face.hint_block(response, self.context)

    def on_response(self, response: ResponseHead, *, replayable: bool) -> bytes | Again | Reply:
        """Judge the answer; pass it on, or try again within the budget."""
        self._status = status = response.status
        replica = self._replica
        assert replica is not None
        classifier = self.route.settings.classifier
        success = status < FIRST_FAILURE or classifier.success(status)
        if success:
            accrual = replica.accrual
            if accrual.failures or accrual.standing is not _ALIVE:
                accrual.on_success()
        else:
            self._ordinary = False
            now = self._router.deps.monotonic_s()
            replica.accrual.on_failure(now)
            may = classifier.retryable(self.request.method) or _RETRYABLE.search(response.block)
            if may and replayable and self._spend_retry(now):
                self._avoid = (*self._avoid, replica)
                self._end_attempt(status, now, retryable=True)
                return self._again()
            if status == SERVICE_UNAVAILABLE and (nack := NACK.search(response.block)):
                return self._on_nack(nack, now, replayable=replayable)
        return self._router.face.answer_block(response, self.context, success=success)

    def on_failure(self, error: UpstreamError, *, replayable: bool) -> Reply | Again:
        """An attempt failed before anything of an answer was passed on."""
        replica, branch = self._replica, self.branch
        assert replica is not None
        assert branch is not None
        self._ordinary = False
        now = self._router.deps.monotonic_s()
        if isinstance(error, AnswerTimeout):
            self._end_attempt(0, now, error=str(error))
            message = self.route.settings.timeout_message
            return self._fail(SERVICE_UNAVAILABLE, message, "Service")
        replica.accrual.on_failure(now)
        if not error.sent:
            return self._on_connect_failed(error, now)
        self._end_attempt(0, now, error=str(error))
        retryable = self.route.settings.classifier.retryable(self.request.method)
        if retryable and replayable and self._spend_retry(now):
            self._avoid = (*self._avoid, replica)
            return self._again()
        client = self.trace.child(self.child_id)
        if isinstance(error, AttemptTimeout):
            limit = self.attempt_timeout_s or 0.0
            message = attempt_timeout(limit, branch.client.id, replica.text, client)
            return self._fail(SERVICE_UNAVAILABLE, message, "Service")
        message = remote_failure(str(error), replica.text, branch.client.id, client)
        return self._fail(BAD_GATEWAY, message, "Service")

    def on_end(
        self, status: int, request_bytes: int, response_bytes: int, error: UpstreamError | None
    ) -> None:
        """Count it, and write the spans down."""
        route = self.route
        stats = route.stats
        stats.pending -= 1
        now = self._router.deps.monotonic_s()
        elapsed_us = int((now - self.started_at) * 1e6) or 1
        branch, replica = self.branch, self._replica
        if self._router.deps.access is not None:
            tried = replica or (self._avoid[-1] if self._avoid else None)
            self._router.deps.access.note(
                self.request,
                self.peer,
                self.trace.trace_id,
                self.context.rule,
                (status, elapsed_us, request_bytes, response_bytes),
                (
                    str(route.service),
                    "" if branch is None else branch.client.name,
                    "" if tried is None else tried.text,
                ),
            )
        if (
            self._ordinary
            and error is None
            and status
            and branch is not None
            and replica is not None
            and not self.failure
        ):
            replica.pending -= 1
            branch.client.requeue_budget.fresh += 1
            branch.tally.add(status, elapsed_us)
            if self._recorded:
                sizes = (request_bytes, response_bytes)
                self._router.spans.exchange(self, branch, replica, status, elapsed_us, sizes)
            return
        broken = str(error) if error else ""
        if replica is not None:
            self._end_attempt(self._status, now, error=broken)
        failed = error is not None or bool(self.failure) or not status
        success = not failed and route.settings.classifier.success(status)
        stats.end(status, elapsed_us, success=success)
        self._router.stats.end(status, elapsed_us, success=success)
        if self._recorded:
            trouble = "" if success else self.failure or broken or _told(status)
            self._router.spans.server(self, status, now, (request_bytes, response_bytes), trouble)

    # ---- one attempt

    def _again(self) -> Again:
        self._waited_s = self.route.settings.backoff.next_s(self._waited_s, self._router.deps.dice)
        return Again(self._waited_s)

    def _on_nack(self, nack: re.Match[bytes], now: float, *, replayable: bool) -> Again | Reply:
        """The endpoint did not begin: any may be asked, whatever the method, but for one kind."""
        client = self.branch.client if self.branch is not None else None
        assert client is not None
        final = nack[1] is not None
        self._end_attempt(SERVICE_UNAVAILABLE, now, retryable=not final)
        may = not final and replayable and self._attempts < CONNECT_ATTEMPTS_MAX
        if may and client.requeue_budget.withdraw(now):
            client.stats.requeues += 1
            return Again()
        return self._fail(BAD_GATEWAY, NACKED_FOR_GOOD if final else NACKED, "Service")

    def _on_connect_failed(self, error: UpstreamError, now: float) -> Reply | Again:
        """No byte left: any other replica may be tried, whatever the method."""
        replica, branch = self._replica, self.branch
        assert replica is not None
        assert branch is not None
        client = branch.client
        client.stats.connect_failures += 1
        self._end_attempt(0, now, error=str(error))
        self._avoid = (*self._avoid, replica)
        if self._attempts < CONNECT_ATTEMPTS_MAX and client.requeue_budget.withdraw(now):
            client.stats.requeues += 1
            return Again()
        message = unable_to_connect(
            self.route.service,
            client.id,
            [one.text for one in client.replicas],
            replica.text,
        )
        return self._fail(BAD_GATEWAY, message, "ClientAcquisition")

    def _spend_retry(self, now: float) -> bool:
        route = self.route
        if self._retries >= RETRIES_MAX:
            return False
        if not route.budget.withdraw(now):
            route.stats.budget_exhausted += 1
            return False
        route.stats.retries += 1
        self._retries += 1
        return True

    def _end_attempt(
        self, status: int, now: float, *, error: str = "", retryable: bool = False
    ) -> None:
        """Close the books of the current attempt: its replica, its client's counts, its span."""
        replica, branch = self._replica, self.branch
        assert replica is not None
        assert branch is not None
        self._replica = None
        replica.pending -= 1
        elapsed_us = int((now - self.attempt_at) * 1e6) or 1
        success = not error and status > 0 and self.route.settings.classifier.success(status)
        branch.client.stats.end(status, elapsed_us, success=success)
        if success:
            branch.client.requeue_budget.fresh += 1
        if self._recorded:
            trouble = "" if success else error or _told(status)
            if not self._head:  # it was refused before its head was made, and has no id yet
                self.child_id = self._router.deps.new_id()
            self._router.spans.client(
                self, branch, replica, status, now, trouble, retryable=retryable
            )
        self._head = b""

    def started_us(self) -> int:
        """When the request came, by the wall clock: read once, so that its spans agree."""
        if not self._start_us:
            deps = self._router.deps
            elapsed_us = int((deps.monotonic_s() - self.started_at) * 1e6)
            self._start_us = deps.wall_ns() // 1_000 - elapsed_us
        return self._start_us

    # ---- failing

    def _nobody_there(self, trouble: str | None, status: int = BAD_GATEWAY) -> Reply:
        return self._fail(
            status, trouble or self._router.unable_to_route(self.route), "ClientAcquisition"
        )

    def _fail(self, status: int, message: str, stage: str) -> Reply:
        self.failure = f"{stage}: {message.partition(chr(10))[0]}"
        return self._router.face.error(status, message, self.context)


def _told(status: int) -> str:
    """What a span says of an answer that is no success."""
    return str(status) if status else "the client went away"
