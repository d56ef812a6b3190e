"""The admin port's pages for people. Pure.

They change nothing: they show the command that would.
"""

from __future__ import annotations

import datetime as dt
import html
from typing import TYPE_CHECKING, Any, Final

from edge.answers.looks import look_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # a form's answer may hold a cookie
}
_STYLE: Final = """
:root{color-scheme:light dark}body{font:1em/1.5 system-ui,sans-serif;margin:1.5em 2em}
nav a{margin-right:1.2em}table{border-collapse:collapse}
td,th{text-align:left;vertical-align:top;padding:.15em 1em .15em 0}
td,th{white-space:nowrap}td:nth-last-child(-n+2){white-space:normal;overflow-wrap:anywhere}
tr:hover td{background:#8882}td,code,pre,textarea{font-family:ui-monospace,monospace;font-size:.9em}
pre{white-space:pre-wrap;overflow-wrap:anywhere}label{display:block;margin:.4em 0}
input,textarea{display:block;width:min(50em,95%);font:inherit;font-family:ui-monospace,monospace}
.good{color:light-dark(#060,#8d8)}.bad{color:light-dark(#a00,#f88)}.lost{opacity:.6}
.odd{color:light-dark(#850,#fb6)}
"""
_LINKS: Final = {
    "/explain": "what would become of a request, and why",
    "/recent": "the last requests that were recorded",
    "/routes": "what services are bound to now",
    "/edge.json": "what was dropped, refused and limited; the last reload",
    "/config.json": "the configuration in force, secrets masked",
    "/config/origins": "each value with its place in the file",
    "/metrics": "for Prometheus",
    "/client_state.json": "endpoints of each service",
    "/drain": "what is left while draining",
    "/admin/live": "the process turns",
    "/admin/ready": "requests may come",
    "/admin/metrics.json": "metrics as Linkerd names them",
    "/admin/metrics/prometheus": "the same for Prometheus",
    "/openapi.json": "this port, for tools",
}
# What people look for first; the rest is in the JSON.
_RECENT: Final = {
    "http.status_code": "status",
    "http.method": "method",
    "edge.host": "rule",
    "http.uri": "path",
    "edge.rule": "trusted by",
    "edge.override": "override of",
    "dtab.local": "override",
    "client": "bound to",
    "edge.answer": "answered by",
    "io.buoyant.router.Failure": "failed at",
}


def index(state: str, warnings: Sequence[str], admin: str) -> str:
    """The first page. Shape: `admin` is this port's URL, as it was asked."""
    rows = "".join(
        f"<tr><td><a href='{path}'>{path}</a><th scope=row style='font-weight:normal'>{told}"
        for path, told in _LINKS.items()
    )
    notes = "".join(f"<p class=odd>warning: {_safe(one)}" for one in warnings)
    return _page(
        "weir edge",
        f"<p>{_safe(state)}{notes}<table>{rows}</table><h2>Changes</h2>"
        "<p>This page changes nothing. Read the file again; drain before the end:"
        f"<pre>curl -X POST {_safe(admin)}/reload\ncurl -X POST {_safe(admin)}/drain</pre>",
    )


def explained(asked: Mapping[str, str], lines: Sequence[str], command: str) -> str:
    """The form with what was asked, and the answer."""
    shown = "\n".join(_painted(line) for line in lines)
    fields = "".join(
        f"<label>{told} <input name={name} value='{_safe(asked.get(name, ''))}'></label>"
        for name, told in (("url", "URL"), ("cookie", "Cookie"), ("client", "Client's address"))
    )
    headers = _safe(asked.get("headers", ""))
    same = f"<p>The same in a terminal:<pre>{_safe(command)}</pre>" if lines else ""
    return _page(
        "Explain",
        f"<form>{fields}<label>Headers, one a line: <code>Name: value</code>"
        f"<textarea name=headers rows=3>\n{headers}</textarea></label>"
        f"<button>Explain</button></form><pre>{shown}</pre>{same}",
    )


def recent(rows: Sequence[Mapping[str, Any]], collector: str) -> str:
    """Recent requests; each trace a link to where it is kept, if that has pages."""
    shown = []
    for row in rows:
        when = dt.datetime.fromtimestamp(int(row["start_us"]) / 1e6, dt.UTC)
        cells = {
            "time (UTC)": f"{when:%H:%M:%S}.{when.microsecond // 1_000:03d}",
            "ms": f"{int(row['elapsed_us']) / 1e3:g}",
        }
        cells |= {told: str(row[key]) for key, told in _RECENT.items() if key in row}
        shown.append((str(row["trace"]), cells))
    names = list(dict.fromkeys(name for _, cells in shown for name in cells))
    body = "".join(
        f"<tr><td>{_trace(trace, collector)}"
        + "".join(f"<td>{_safe(cells.get(name, ''))}" for name in names)
        for trace, cells in shown
    )
    head = "".join(f"<th>{name}" for name in ("trace", *names))
    return _page("Recent requests that were recorded", _table(head, body))


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of any columns."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    body = "".join(
        "<tr>" + "".join(f"<td>{_safe(row.get(name, ''))}" for name in columns) for row in rows
    )
    return _page(title, _table("".join(f"<th>{_safe(name)}" for name in columns), body))


def _trace(trace: str, collector: str) -> str:
    if not collector.startswith(("http://", "https://")):
        return f"{trace}<br>weir explain --trace {trace}"
    return f"<a href='{_safe(collector.rstrip('/'))}/traces/{trace}'>{trace}</a>"


def _table(head: str, body: str) -> str:
    return f"<table><tr>{head}{body}</table>" if body else "<p>None yet."


def _painted(line: str) -> str:
    look = look_of(line)
    return f"<span class={look}>{_safe(line)}</span>" if look else _safe(line)


def _safe(value: object) -> str:
    return html.escape(str(value), quote=True)


def _page(title: str, body: str) -> str:
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        "<nav><a href='/'>weir edge</a><a href='/explain'>explain</a>"
        "<a href='/recent'>recent</a><a href='/routes'>routes</a></nav>"
        f"<h1>{title}</h1>{body}\n"
    )
