"""What is known of one request at the gateway. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mesh.context import RequestContext
from tracing.propagation import GATEWAY, Propagation

if TYPE_CHECKING:
    from edge.grants.grant import Grant
    from edge.rules.place import Place
    from edge.rules.trust import Rule
    from edge.verdict.trail import Trail


class Answer(NamedTuple):
    """An answer that the gateway gives itself: a redirect, a page, a refusal."""

    status: int
    stage: str  # which step answers: path, host, override, rate, grant
    message: str = ""  # for the trusted; what outsiders see is the status alone
    block: bytes = b""  # header lines, each led by CRLF
    body: bytes | None = None  # None: an error page is made


class Traces(NamedTuple):
    """What all places share of tracing. Shape: sample_rate None where nothing is recorded."""

    sample_rate: float | None = None
    propagation: Propagation = GATEWAY


UNTRACED: Final = Traces()


# No cycles: nothing here refers back to a context. The request does, where its lines come again.
class EdgeContext(RequestContext, gc=False):
    """A verdict on one request.

    Shape: `host` and `target` are in their normal forms; `place` None: a host that is not ours;
    `key` names the route, empty where `answer` or the test endpoint answers; `dropped` says that
    the request said something of ours that it may not.
    """

    host: bytes = b""
    target: bytes = b""
    key: bytes = b""
    place: Place | None = None
    by: Rule | None = None
    grant: Grant | None = None
    answer: Answer | None = None
    method: bytes = b""
    block: bytes = b""  # the header lines as they came
    client: str = ""
    https: bool = False
    own: bool = False  # a path of the gateway's own
    dropped: bool = False
    forced: bool = False  # it asks to be recorded beyond the place's rate: the budget decides
    fallback_rate: float | None = None  # the place's rate, for when the budget is spent
    debug: bool = False  # it asked for its trail, and may
    trail: Trail | None = None  # of who asked for it
    audited: bool = False
    steady: bool = False  # decided by header lines and peer alone, so it holds when they come again
    asked: bytes | None = None  # the host as sent, where no other line concerned anyone
    origin: bytes = b""  # the lines that tell a service who asked; made when a service is asked
    upstream: bytes = b""  # all lines that go on, of a steady verdict; likewise
