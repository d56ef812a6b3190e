"""One request on its way through a router.

Picks endpoints, writes heads, judges answers, and leaves spans and counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from mesh.answers import total_timeout, unable_to_connect
from mesh.face import BAD_GATEWAY
from proxy.call import Again, Peer, Reply
from proxy.errors import AnswerTimeout, UpstreamError
from tracing.l5d import request_id, write_context

if TYPE_CHECKING:
    from mesh.clients import Replica
    from mesh.context import RequestContext
    from mesh.router import Router
    from mesh.routes import Branch, Route
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
_RETRYABLE: Final = re.compile(rb"\r\nl5d-retryable:[ \t]*true[ \t]*(?=\r|\Z)", re.IGNORECASE)


class Arrival(NamedTuple):
    """What was known of a request when it came, before it had a route."""

    request: RequestHead
    context: RequestContext
    peer: Peer
    trace: TraceContext  # of the server span
    recorded: bool
    started_at: float  # monotonic seconds
    started_us: int  # wall clock, microseconds since 1970


class RoutedCall:
    """The routing side of one exchange."""

    __slots__ = (
        "_attempt_at",
        "_attempts",
        "_avoid",
        "_block",
        "_branch",
        "_client_context",
        "_context",
        "_failure",
        "_head",
        "_peer",
        "_recorded",
        "_replica",
        "_request",
        "_retries",
        "_route",
        "_router",
        "_started_at",
        "_started_us",
        "_status",
        "_trace",
        "timeout_s",
    )

    def __init__(self, router: Router, route: Route, arrival: Arrival) -> None:
        self._router = router
        self._route = route
        self._request = request = arrival.request
        self._context = arrival.context
        self._peer = arrival.peer
        self._trace = arrival.trace
        self._recorded = arrival.recorded
        self._started_at = started_at = arrival.started_at
        self._started_us = arrival.started_us
        self._attempt_at = started_at
        self._attempts = 0
        self._retries = 0
        self._avoid: list[Replica] = []
        self._branch: Branch | None = None
        self._replica: Replica | None = None
        self._client_context = arrival.trace
        self._head = b""
        self._failure = ""
        self._status = 0
        self._block = request.end_to_end(router.face.drop(arrival.context))
        self.timeout_s = route.settings.total_timeout_s
        route.stats.pending += 1
        route.budget.deposit(started_at)

    # ---- asked by the engine

    def dial(self) -> Pool | Reply:
        """The pool of the next replica."""
        deps = self._router.deps
        branch = self._branch
        if branch is None:
            route = self._route
            branch = route.branch(deps.dice)
            if branch is None:
                route.look_again()
                branch = route.branch(deps.dice)
            self._branch = branch
            if branch is None:
                return self._nobody_there(self._route.failure)
        now = deps.monotonic_s()
        replica = branch.client.pick(now, self._avoid)
        if replica is None:
            return self._nobody_there(branch.client.trouble)
        self._attempts += 1
        self._replica = replica
        self._attempt_at = now
        replica.pending += 1
        replica.accrual.on_pick(now)
        return replica.pool

    def head(self) -> bytes:
        """The head for this attempt; a retry gets a client span of its own."""
        if not self._head:
            branch = self._branch
            assert branch is not None
            self._client_context = ctx = self._trace.child(self._router.deps.new_id())
            request = self._request
            self._head = b"".join(
                (
                    request.method,
                    b" ",
                    request.target,
                    b" HTTP/1.1",
                    self._block,
                    self._router.face.request_lines(request, self._context, self._peer),
                    b"\r\nl5d-ctx-trace: ",
                    write_context(ctx),
                    b"\r\nl5d-reqid: ",
                    request_id(ctx),
                    branch.lines,
                )
            )
        return self._head

    def on_response(self, response: ResponseHead, *, replayable: bool) -> bytes | Again:
        """Judge the answer; pass it on, or try again within the budget."""
        route = self._route
        classifier = route.settings.classifier
        self._status = response.status
        success = classifier.success(response.status)
        now = self._router.deps.monotonic_s()
        replica = self._replica
        assert replica is not None
        if success:
            replica.accrual.on_success()
        else:
            replica.accrual.on_failure(now)
            may = classifier.retryable(self._request.method) or _RETRYABLE.search(response.block)
            if may and replayable and self._spend_retry(now):
                self._avoid.append(replica)
                self._end_attempt(response.status, now, retryable=True)
                return Again(route.settings.retry_backoff_s)
        return self._router.face.answer_block(response, self._context, success=success)

    def on_failure(self, error: UpstreamError, *, replayable: bool) -> Reply | Again:
        """An attempt failed before anything of an answer was passed on."""
        replica, branch = self._replica, self._branch
        assert replica is not None
        assert branch is not None
        now = self._router.deps.monotonic_s()
        if isinstance(error, AnswerTimeout):
            self._end_attempt(0, now, error=str(error))
            return self._fail(SERVICE_UNAVAILABLE, total_timeout(self.timeout_s or 0.0), "Service")
        replica.accrual.on_failure(now)
        if not error.sent:
            return self._on_connect_failed(error, now)
        self._end_attempt(0, now, error=str(error))
        retryable = self._route.settings.classifier.retryable(self._request.method)
        if retryable and replayable and self._spend_retry(now):
            self._avoid.append(replica)
            return Again(self._route.settings.retry_backoff_s)
        return self._fail(BAD_GATEWAY, str(error), "Service")

    def on_end(
        self, status: int, request_bytes: int, response_bytes: int, error: UpstreamError | None
    ) -> None:
        """Count it, and write the spans down."""
        now = self._router.deps.monotonic_s()
        route = self._route
        if self._replica is not None:
            self._end_attempt(self._status, now, error=str(error) if error else "")
        elapsed_us = int((now - self._started_at) * 1e6) or 1
        failed = error is not None or bool(self._failure)
        success = not failed and route.settings.classifier.success(status)
        route.stats.pending -= 1
        route.stats.end(status, elapsed_us, success=success)
        self._router.stats.end(status, elapsed_us, success=success)
        if self._recorded:
            tags = self._tags(status)
            tags["srv/request_payload_bytes"] = str(request_bytes)
            tags["srv/response_payload_bytes"] = str(response_bytes)
            if self._failure:
                tags["io.buoyant.router.Failure"] = self._failure
            if not success:
                tags["error"] = self._failure or (str(error) if error else str(status))
            self._router.record(
                self._trace,
                "SERVER",
                route.span_name,
                self._started_us,
                elapsed_us,
                self._router.span_local,
                self._peer,
                tags,
                self._branch.tags if self._branch is not None else route.tags,
            )

    # ---- one attempt

    def _on_connect_failed(self, error: UpstreamError, now: float) -> Reply | Again:
        """No byte left: any other replica may be tried, whatever the method."""
        replica, branch = self._replica, self._branch
        assert replica is not None
        assert branch is not None
        client = branch.client
        client.stats.connect_failures += 1
        self._end_attempt(0, now, error=str(error))
        self._avoid.append(replica)
        if self._attempts < CONNECT_ATTEMPTS_MAX and client.requeue_budget.withdraw(now):
            client.stats.requeues += 1
            return Again()
        message = unable_to_connect(
            self._route.service,
            client.id,
            [one.text for one in client.replicas],
            replica.text,
        )
        return self._fail(BAD_GATEWAY, message, "ClientAcquisition")

    def _spend_retry(self, now: float) -> bool:
        route = self._route
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
        """Close the books of the current attempt.

        Its replica, its client's counts, its client span.
        """
        replica, branch = self._replica, self._branch
        assert replica is not None
        assert branch is not None
        self._replica = None
        replica.pending -= 1
        elapsed_us = int((now - self._attempt_at) * 1e6) or 1
        success = not error and self._route.settings.classifier.success(status)
        branch.client.stats.end(status, elapsed_us, success=success)
        if success:
            branch.client.requeue_budget.deposit(now)
        if self._recorded:
            if not self._head:  # refused before a head was made: the span still needs an id
                self._client_context = self._trace.child(self._router.deps.new_id())
            tags = self._tags(status)
            tags["l5d.retryable" if retryable else "l5d.success"] = (
                "true" if retryable else "1.0" if success else "0.0"
            )
            if not success:
                tags["error"] = error or str(status)
            self._router.record(
                self._client_context,
                "CLIENT",
                self._request.method.decode("latin-1"),
                self._started_us + int((self._attempt_at - self._started_at) * 1e6),
                elapsed_us,
                self._router.client_local or branch.client.span_local,
                replica.span_endpoint,
                tags,
                branch.tags,
            )
        self._head = b""

    # ---- failing

    def _nobody_there(self, trouble: str | None) -> Reply:
        return self._fail(
            BAD_GATEWAY, trouble or self._router.unable_to_route(self._route), "ClientAcquisition"
        )

    def _fail(self, status: int, message: str, stage: str) -> Reply:
        self._failure = f"{stage}: {message.partition(chr(10))[0]}"
        return self._router.face.error(status, message, self._context)

    def _tags(self, status: int) -> dict[str, str]:
        request = self._request
        tags = {
            "http.method": request.method.decode("latin-1"),
            "http.uri": request.target.partition(b"?")[0].decode("latin-1"),
        }
        if status:
            tags["http.status_code"] = str(status)
        if self._context.tags is not None:
            tags |= self._context.tags
        return tags
