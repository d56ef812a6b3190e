"""Why a past request went where it went: the routing that its spans recorded. Pure.

Each router of ours writes down the route it took: `service`, `client`, `residual`, `dtab.local`,
and at the gateway `edge.host`, `edge.rule`, `edge.grant`, `edge.override`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SHOWN: Final = (
    ("edge.host", "host rule"),
    ("edge.rule", "trusted by"),
    ("edge.grant", "grant"),
    ("edge.grant.refused", "grant dropped"),
    ("edge.override", "override of"),
    ("edge.override.effect", "override here"),
    ("edge.answer", "answered by"),
    ("service", "service"),
    ("dtab.local", "override"),
    ("client", "bound to"),
    ("residual", "residual"),
    ("http.uri", "path"),
    ("http.status_code", "status"),
    ("io.buoyant.router.Failure", "failed at"),
    ("error", "error"),
)
_DEPTH_MAX: Final = 50


def past_lines(spans: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The trace as an indented story, callers before callees. Shape: Zipkin v2 spans as decoded."""
    ids = {(span["id"], span.get("kind")) for span in spans}
    known = {span["id"] for span in spans}
    below: dict[str, list[Mapping[str, Any]]] = {}
    roots = []
    for span in sorted(spans, key=lambda one: one.get("timestamp", 0)):
        parent = span.get("parentId")
        shared = span.get("kind") == "SERVER" and (span["id"], "CLIENT") in ids
        if shared:
            below.setdefault(span["id"], []).append(span)
        elif parent is not None and parent in known:
            below.setdefault(parent, []).append(span)
        else:
            roots.append(span)
    stack: list[tuple[Mapping[str, Any], int, Mapping[str, str]]] = [
        (span, 0, {}) for span in reversed(roots)
    ]
    told: set[int] = set()
    while stack:
        span, depth, above = stack.pop()
        if id(span) in told:
            continue
        told.add(id(span))
        margin = "  " * min(depth, _DEPTH_MAX)
        yield f"{margin}{_headline(span)}"
        tags: Mapping[str, str] = span.get("tags") or {}
        for key, name in _SHOWN:
            # A router says the same of its attempts as of the request: once is enough.
            if key in tags and tags[key] != above.get(key):
                yield f"{margin}    {name:<13} {tags[key]}"
        said = tags if span.get("kind") == "SERVER" else {}
        stack += [(one, depth + 1, said) for one in reversed(below.get(span["id"], []))]


def _headline(span: Mapping[str, Any]) -> str:
    local = (span.get("localEndpoint") or {}).get("serviceName", "?")
    kind = (span.get("kind") or "span").lower()
    duration = span.get("duration")
    took = f", {duration / 1_000:g} ms" if isinstance(duration, int | float) else ""
    remote = span.get("remoteEndpoint") or {}
    there = ""
    if kind == "client" and (remote.get("ipv4") or remote.get("ipv6")):
        there = f" to {remote.get('ipv4') or remote.get('ipv6')}:{remote.get('port', 0)}"
    return f"{local} {kind} {span.get('name', '')}{there}{took}"
