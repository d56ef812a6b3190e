"""Where we answer otherwise than Linkerd 1.7.5, on purpose, with the reason."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Deviation:
    """One intended difference.

    Shape: `status` instead of the recorded one, `200 cut` for an answer that breaks off; `refused`:
    no backend sees the request; `differs` names what else may differ. A difference there must be.
    """

    why: str
    status: str = ""
    refused: bool = False
    differs: frozenset[str] = frozenset()


def _refused(status: str, why: str) -> Deviation:
    return Deviation(why, status=status, refused=True)


def _differs(why: str, *where: str, status: str = "") -> Deviation:
    return Deviation(why, status=status, differs=frozenset(where))


# What differs everywhere. The reason phrase of an answer from behind is passed on as it was sent.
ALWAYS: Final = frozenset({"reason"})

_ABSOLUTE: Final = "fault: 1.7.5 forgot to rewrite absolute targets, which Linkerd documents"
_RESIDUAL: Final = "fault: a residual that another router wrote is not this router's"
_NO_TRACE_TEXT: Final = (
    "no diagnostic TRACE: it tells addresses and dtab to whoever sends a header; the admin port "
    "tells them to operators"
)
_OWN_SPAN: Final = "each attempt has a span of its own"
_ROOT: Final = "the server's span is the root, and the client's a child of it, so none is missing"
_EMPTIED: Final = "fault: an emptied body has no length"
_ONE_PHRASE: Final = "the same refusal in our words"

_UNDECIDED: Final = "x-b3-sampled: 0 would be a denial that nobody decided"

DEVIATES: Final[dict[str, Deviation]] = {
    # ---- what is refused, not guessed
    "two Host headers, the first wins": _refused(
        "400", "RFC 9112, 3.2: two Hosts are two meanings"
    ),
    "CONNECT is passed to the backend, a 200 answer then never comes back": _refused(
        "405", "a proxy behind us must not become a tunnel; fault: the answer loses its body"
    ),
    "unknown method": _refused("400", "llhttp reads the registered methods only"),
    "retryableAll5XX with an unknown method": _refused(
        "400", "llhttp reads the registered methods only"
    ),
    "Expect: something else": _refused("417", "RFC 9110, 10.1.1: an expectation we cannot meet"),
    "POST chunked and Content-Length": _refused("400", "RFC 9112, 6.3: request smuggling"),
    "unsupported protocol version": _refused("505", "RFC 9110, 15.6.6"),
    "Content-Length not a number": _refused("400", "an answer says more than a closed connection"),
    "folded header line": _refused("400", "RFC 9112, 5.2: obsolete folding"),
    "bare line feeds": _refused("400", "RFC 9112, 2.2: readers of bare LF disagree"),
    # ---- faults of 1.7.5
    "absolute-form target": _differs(_ABSOLUTE, "upstream target"),
    "absolute-form target, Host says otherwise": _differs(
        _ABSOLUTE, "backend", "body", "header content-length", "header x-backend"
    ),
    "absolute-form target without Host": _differs(_ABSOLUTE, "backend", status="200"),
    "l5d-sample: NaN": _differs("fault: no number is no sample rate", "backend", status="200"),
    "client residual header without residual stays": _differs(
        _RESIDUAL, "upstream l5d-dst-residual"
    ),
    "two routers, context accumulates": _differs(_RESIDUAL, "upstream l5d-dst-residual"),
    "two routers, override reaches the inner one": _differs(_RESIDUAL, "upstream l5d-dst-residual"),
    "two routers, 500 of the backend": _differs(_RESIDUAL, "upstream l5d-dst-residual"),
    "spans through two routers": _differs(_RESIDUAL, "upstream l5d-dst-residual"),
    "Connection in two lines, only the first is read": _differs(
        "fault: a second line nominates as well", "upstream x-two"
    ),
    "rule: teapot": _differs("our own answer carries no class", "header l5d-success-class"),
    "override, a union that contains its own name": Deviation(
        "fault: it ends the process; here the part that leads nowhere is left out", status="200"
    ),
    # ---- RFC 9110 and 9112
    "status 304 from the backend": _differs(
        "the length of a 304 is that of the 200; none is invented", "header content-length"
    ),
    "backend speaks HTTP/1.0": _differs(
        "RFC 9112, 2.5: a proxy speaks its own version; a body until the close is chunked",
        "version",
        "framing",
        "header connection",
        "header content-length",
        "header transfer-encoding",
        "header via",
    ),
    "method and host, HTTP/1.0 ignores the host": _differs("RFC 9112, 2.5", "upstream version"),
    "Via of a 1.0 request": _differs("RFC 9112, 2.5", "upstream version"),
    "hop-by-hop headers of the request": _differs(
        "Proxy-Connection ends here, and close among other tokens is close",
        "upstream proxy-connection",
        "header connection",
        "connection",
    ),
    "hop-by-hop headers of the response": _differs(
        "RFC 9110, 7.6.1: Keep-Alive is of this hop", "header keep-alive"
    ),
    # ---- bodies are streamed
    "backend cuts a body short": _differs(
        "the head has gone on before the body came", "connection", status="200 cut"
    ),
    "backend sends a head that is too long": _differs(
        "12 KiB of an answer's head are read, as of a request's", status="200"
    ),
    "backend sends no HTTP": _differs(_ONE_PHRASE, "body", "header l5d-err"),
    "text is compressed when asked for": _differs(
        "compressing is the service's own business; here it would cost each request CPU",
        "body",
        "framing",
        "header content-encoding",
        "header content-length",
        "header transfer-encoding",
        "header content-type",
    ),
    # ---- retries
    "default retry budget: one request against a dead backend uses it up": _differs(
        "one request takes ten retries at most, not everyone's budget", "requests"
    ),
    "nonRetryable5XX, backend closes once": _differs(
        "RFC 9110, 9.2.2: a kept connection that dies under a GET is opened anew",
        "requests",
        status="200",
    ),
    "retryableRead5XX, backend closes once": _differs(
        "a kept connection that dies under a GET is opened anew, in the same span",
        "upstream trace",
    ),
    "backend nacks, then answers": _differs(_OWN_SPAN, "upstream trace"),
    "backend nacks with Retry-After: 0, then answers": _differs(_OWN_SPAN, "upstream trace"),
    # ---- B3
    **dict.fromkeys(
        ("b3, nothing received", "b3, ids received", "b3, l5d-ctx-trace is not read"),
        _differs(_UNDECIDED, "upstream x-b3-sampled"),
    ),
    "b3, 128-bit trace id": _differs(
        "fault: half an id is another trace for everyone else", "upstream x-b3-traceid"
    ),
    # ---- clearContext
    **dict.fromkeys(
        (
            "clearContext drops what the client says",
            "clearContext, plain",
            "clearContext, malformed override is not even read",
            "clearContext cleans the response",
            "clearContext, backend 500 without l5d-err keeps its body",
            "clearContext, union that contains its own name is not read",
            "spans at an edge",
        ),
        _differs(_ROOT, "upstream trace", "upstream l5d-reqid"),
    ),
    "clearContext, backend reply with l5d-err is emptied": _differs(
        _EMPTIED, "header content-length", "upstream trace", "upstream l5d-reqid"
    ),
    "edge router before an inner one, errors are emptied": _differs(
        _EMPTIED, "header content-length"
    ),
    "addForwardedHeader with an absolute target": _differs(
        _ABSOLUTE, "upstream target", "upstream forwarded"
    ),
    # ---- identifiers
    **dict.fromkeys(
        (
            "method and host with target, trailing slash",
            "method and host with target, doubled slash",
            "method and host with target, characters not allowed in a path",
        ),
        _differs("fault: an ordinary target is no error", "backend", status="200"),
    ),
    "path identifier, doubled slash in front": _differs(
        "fault: an empty segment names nothing", status="400"
    ),
    "path identifier, absolute-form": _differs(_ABSOLUTE, "backend", status="200"),
    # ---- diagnostics
    "TRACE answered here": _differs(_NO_TRACE_TEXT, "backend", "body", "header content-type"),
    "TRACE forwarded one hop": _differs(_NO_TRACE_TEXT, "body", "upstream max-forwards"),
    "TRACE without Max-Forwards": _differs(_NO_TRACE_TEXT, "body"),
    "TRACE with a bad Max-Forwards": _differs(_NO_TRACE_TEXT, "backend", status="200"),
    "TRACE through two routers": _differs(
        _NO_TRACE_TEXT, "body", "upstream l5d-dst-residual", "upstream max-forwards"
    ),
}
