"""What can go wrong on the upstream side of one exchange, and what follows for a retry.

`sent` is the fact a retry hangs on: whether any byte of the request may have reached the endpoint.
"""

from __future__ import annotations


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
