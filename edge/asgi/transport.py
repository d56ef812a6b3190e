"""How the application door dials: httpx for requests, one transport for each TLS setting."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    import ssl

    from proxy.call import EndpointPool

CONNECT_TIMEOUT_S: Final = 2.0
_LIMITS: Final = httpx.Limits(max_connections=1_000, max_keepalive_connections=200)
# Contexts change when their files do; what is older ends with its requests.
_CONTEXTS_MAX: Final = 32


class Transports:
    """Connections to services, plain and by TLS context."""

    def __init__(self) -> None:
        self._plain = httpx.AsyncHTTPTransport(limits=_LIMITS, trust_env=False)
        self._by_context: OrderedDict[ssl.SSLContext, httpx.AsyncHTTPTransport] = OrderedDict()
        self._retired: list[httpx.AsyncHTTPTransport] = []

    def of(self, pool: EndpointPool) -> httpx.AsyncHTTPTransport:
        """The transport for an endpoint."""
        if pool.tls is None:
            return self._plain
        context = pool.tls.tls.context
        found = self._by_context.get(context)
        if found is None:
            found = httpx.AsyncHTTPTransport(verify=context, limits=_LIMITS, trust_env=False)
            self._by_context[context] = found
            if len(self._by_context) > _CONTEXTS_MAX:
                self._retired.append(self._by_context.popitem(last=False)[1])
        return found

    async def sweep(self) -> None:
        """Close transports whose TLS nobody asks for any more."""
        while self._retired:
            await self._retired.pop().aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self.sweep()
        for one in (self._plain, *self._by_context.values()):
            await one.aclose()
