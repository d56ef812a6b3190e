"""What can go wrong on the upstream side of one exchange, and what follows for a retry.

`sent` is the fact a retry hangs on: whether any byte of the request may have reached the endpoint.
"""

from __future__ import annotations

import errno
import os
from typing import Final

_MEND: Final = {
    errno.EADDRINUSE: "`ss -ltnp` says who",
    errno.EACCES: "ports below 1024 need root, or CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def cannot_bind(error: OSError, host: str, port: int) -> OSError:
    """The same error with the address, and how to mend it, in its text."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    mend = _MEND.get(error.errno or 0)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return OSError(error.errno, f"{place}: {reason}" + (f"; {mend}" if mend else ""))


class UpstreamError(Exception):
    """The upstream side of an exchange failed."""

    sent = True


class ConnectFailed(UpstreamError):
    """No connection to the endpoint: refused, unreachable or too slow.

    No byte of the request left.
    """

    sent = False


class NoConnection(UpstreamError):
    """The endpoint's connection limit and its waiting line are full.

    No byte of the request left.
    """

    sent = False


class UpstreamClosed(UpstreamError):
    """The endpoint closed before, or within, its answer."""


class UpstreamBroken(UpstreamError):
    """The endpoint's answer is not HTTP that we pass on; `str()` says why."""


class AnswerTimeout(UpstreamError):
    """The answer did not come within the call's time."""


class AttemptTimeout(UpstreamError):
    """The answer did not begin within the time of one attempt."""


def why_closed(exc: Exception | None, begun: bool) -> str:  # noqa: FBT001 - the two facts there are
    """Netty's words for it, as Linkerd's callers know them."""
    if exc is not None:
        return "readAddress(..) failed: Connection reset by peer"
    return "Connection closed before received headers" if begun else "ChannelException"
