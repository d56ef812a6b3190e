"""Keeps web pages of others away from an admin port.

A page that a victim visits may make the browser ask our port: under a name of its own that it
points at us (DNS rebinding), or by a form or script across sites. The first is told by Host, the
second by what browsers say about the asking page. Tools without a browser send neither.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

_READS: Final = frozenset({"GET", "HEAD"})
_MISDIRECTED: Final = 421  # RFC 9110, 15.5.20
_FORBIDDEN: Final = 403


class AdminGuard:
    """Lets through what asks for us by address, by localhost, or by a name we were given."""

    def __init__(self, app: ASGIApp, names: Sequence[str] = ()) -> None:
        self._app = app
        self._names = frozenset({"localhost", *map(str.lower, names)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if not self._is_ours(headers.get("host", "")):
                answer = PlainTextResponse(
                    "This name is not one of this admin port's; ask by address, by localhost, "
                    "or add the name to admin.hosts.\n",
                    _MISDIRECTED,
                )
                await answer(scope, receive, send)
                return
            if scope["method"] not in _READS and not _same_site(headers):
                answer = PlainTextResponse("Not across sites.\n", _FORBIDDEN)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition("]")[0].lstrip("[") or host.partition(":")[0]
        if name.lower() in self._names:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True


def _same_site(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()
