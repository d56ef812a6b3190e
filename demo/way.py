"""Which proxy a call goes through, by the environment (as Go's net/http reads it)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEME: Final = "http://"


def proxy_for(host: str, env: Mapping[str, str]) -> str | None:
    """URL of the proxy for `host` (`name` or `name:port`), or None for a direct call.

    Like Go's ProxyFromEnvironment: HTTP_PROXY before http_proxy, the scheme may be left out,
    loopback is never proxied, no_proxy lists names, domains and addresses, or is `*`.
    """
    proxy = env.get("HTTP_PROXY") or env.get("http_proxy") or ""
    name = _name(host)
    if not proxy or _is_loopback(name):
        return None
    for entry in (env.get("NO_PROXY") or env.get("no_proxy") or "").split(","):
        skip = entry.strip().lower()
        if skip and (skip == "*" or _covers(skip, name)):
            return None
    return proxy if "://" in proxy else SCHEME + proxy


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _covers(skip: str, name: str) -> bool:
    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(skip, strict=False)
    except (ValueError, TypeError):
        domain = skip.lstrip(".")
        return name == domain or name.endswith("." + domain)
