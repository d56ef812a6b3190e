"""The rewriting namers below `/$/`: text in, a new path out.

Each takes the labels behind its name, as text, and answers the labels of the new path, or None
for neg. Source: linkerd 1.7.5's io.buoyant namers, by the reference's tables.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Labels: TypeAlias = tuple[str, ...]
Rewriter: TypeAlias = Callable[[Labels], Labels | None]

# A whole label, for each.
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]+")
_METHOD: Final = re.compile(r"[A-Z]+")
# A trailing hyphen passes; that is how the original's pattern is written.
_PORT: Final = re.compile(r"[a-z0-9][-a-z0-9]*[a-z0-9]?")
_PORT_LENGTH_MAX: Final = 63


def _split(text: str, at: str) -> list[str]:
    """The parts between separators, less the empty ones at the end, as Java splits."""
    parts = text.split(at)
    while parts and not parts[-1]:
        parts.pop()
    return parts


def _host_and_port(text: str) -> tuple[str, str] | None:
    parts = _split(text, ":")
    if len(parts) != 2:  # noqa: PLR2004 - a host and a port
        return None
    host, port = parts
    if _PORT.fullmatch(port) is None or len(port) > _PORT_LENGTH_MAX:
        return None
    return host, port


def hostport(labels: Labels) -> Labels | None:
    """`host:port` becomes `host/port`."""
    parts = _host_and_port(labels[0]) if labels else None
    return None if parts is None else (*parts, *labels[1:])


def porthost(labels: Labels) -> Labels | None:
    """`host:port` becomes `port/host`."""
    parts = _host_and_port(labels[0]) if labels else None
    return None if parts is None else (parts[1], parts[0], *labels[1:])


def any_method(labels: Labels) -> Labels | None:
    """An HTTP method is dropped."""
    return labels[1:] if labels and _METHOD.fullmatch(labels[0]) else None


def any_host(labels: Labels) -> Labels | None:
    """A host is dropped."""
    return labels[1:] if labels and _HOST.fullmatch(labels[0]) else None


def domain_to_path(labels: Labels) -> Labels | None:
    """The labels of a host, last one first."""
    if not labels or _HOST.fullmatch(labels[0]) is None:
        return None
    return (*reversed(_split(labels[0], ".")), *labels[1:])


def _subdomain(domain: str, host: str) -> str | None:
    if _HOST.fullmatch(domain) is None or _HOST.fullmatch(host) is None:
        return None
    colon = host.find(":")
    if colon > 0:
        host = host[:colon]
    return host.removesuffix(f".{domain}") if host.endswith(f".{domain}") else None


def subdomain_of(labels: Labels) -> Labels | None:
    """`domain/host` becomes what stands before the domain."""
    domain, host, *rest = labels if len(labels) > 1 else ("", "")
    sub = _subdomain(domain, host)
    return (sub, *rest) if sub else None


def subdomain_of_pfx(labels: Labels) -> Labels | None:
    """`domain/pfx/host` becomes `pfx/sub`."""
    domain, pfx, host, *rest = labels if len(labels) > 2 else ("", "", "")  # noqa: PLR2004
    sub = _subdomain(domain, host)
    return (pfx, sub, *rest) if sub else None


def _behind_a_prefix(rewriter: Rewriter) -> Rewriter:
    """The same for what follows the first label, which stays."""

    def rewrite(labels: Labels) -> Labels | None:
        found = rewriter(labels[1:])
        return None if found is None else (labels[0], *found)

    return rewrite


REWRITERS: Final[Mapping[str, Rewriter]] = {
    "io.buoyant.hostportPfx": _behind_a_prefix(hostport),
    "io.buoyant.porthostPfx": _behind_a_prefix(porthost),
    "io.buoyant.http.anyMethod": any_method,
    "io.buoyant.http.anyMethodPfx": _behind_a_prefix(any_method),
    "io.buoyant.http.anyHost": any_host,
    "io.buoyant.http.anyHostPfx": _behind_a_prefix(any_host),
    "io.buoyant.http.subdomainOf": subdomain_of,
    "io.buoyant.http.subdomainOfPfx": subdomain_of_pfx,
    "io.buoyant.http.domainToPath": domain_to_path,
    "io.buoyant.http.domainToPathPfx": _behind_a_prefix(domain_to_path),
}
