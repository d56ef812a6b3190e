"""Errors for people: a page, JSON or a line of text, by Accept. Pure.

Outsiders read the status, the stage that answered and the trace to ask about; the trusted also read
why, as text and in l5d-err.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Final

from proxy.call import Reply
from wire.err_header import encode_err
from wire.head import values
from wire.response import reason_phrase

if TYPE_CHECKING:
    from edge.verdict.context import EdgeContext

_NO_STORE: Final = b"\r\nCache-Control: no-store"
_HTML: Final = (
    b"\r\nContent-Type: text/html; charset=utf-8"
    b"\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'" + _NO_STORE
)
_SHOWN_MAX: Final = 2_000
_MEANS: Final = {
    400: "The request could not be understood.",
    403: "This is not allowed.",
    404: "There is nothing here.",
    405: "This method is not offered here.",
    408: "The request took too long to arrive.",
    429: "Too many requests. Please wait a moment.",
    502: "The service behind this address could not be reached.",
    503: "The service behind this address did not answer in time.",
    504: "The service behind this address did not answer in time.",
}


def error_reply(
    status: int, stage: str, message: str, context: EdgeContext, block: bytes = b""
) -> Reply:
    """The answer to a request that the gateway fails."""
    trace = context.trace.trace_id.hex() if context.trace is not None else ""
    shown = message[:_SHOWN_MAX] if context.trusted else ""
    if context.trusted and message:
        block += b"\r\nl5d-err: " + encode_err(message)
    form = _form(context)
    if form == "html":
        return Reply(status, _page(status, stage, shown, trace), _HTML + block)
    if form == "json":
        told = {"status": status, "error": _phrase(status), "stage": stage, "trace": trace}
        if shown:
            told["message"] = shown
        body = json.dumps({key: value for key, value in told.items() if value}) + "\n"
        return Reply(
            status, body.encode(), b"\r\nContent-Type: application/json" + _NO_STORE + block
        )
    line = _line(status, stage, trace, shown)
    return Reply(status, line.encode(), b"\r\nContent-Type: text/plain" + _NO_STORE + block)


def _form(context: EdgeContext) -> str:
    """What the client would like best of what there is; the order of Accept decides, not `q`."""
    accept = b",".join(values(context.block, b"accept")).lower()
    found = [(accept.find(b"text/html"), "html"), (accept.find(b"json"), "json")]
    return min((at, form) for at, form in [*found, (len(accept), "text")] if at >= 0)[1]


def _phrase(status: int) -> str:
    return reason_phrase(status).decode()


def _line(status: int, stage: str, trace: str, message: str) -> str:
    rows = [("stage", stage), ("trace", trace), ("why", message)]
    told = "".join(f"{name}: {value}\n" for name, value in rows if value)
    return f"{status} {_phrase(status)}\n{told}"


def _page(status: int, stage: str, message: str, trace: str) -> bytes:
    title = f"{status} {_phrase(status)}"
    rows = [("stage", stage), ("trace", trace), ("why", message)]
    told = "".join(
        f"<dt>{name}<dd><code>{html.escape(value)}</code>" for name, value in rows if value
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        "<meta name=viewport content='width=device-width'>"
        "<style>body{font:1em/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;"
        "padding:0 1em;color-scheme:light dark}code{white-space:pre-wrap}"
        "dt{font-weight:bold}dd{margin:0 0 .5em}</style>"
        f"<h1>{title}</h1><p>{_MEANS.get(status, 'The request failed.')}</p><dl>{told}</dl>\n"
    ).encode()
