"""What a peer did wrong on the wire, as values the engine turns into answers.

Two types, because the fault lies on two sides: a bad request is answered to whoever sent it; a bad
response ends the connection it came on and is told to the other side as 502.
"""

from __future__ import annotations


class WireError(Exception):
    """A peer broke HTTP/1.1, or a bound of ours."""


class BadRequest(WireError):
    """The downstream sent something we refuse; no byte of it reaches an upstream.

    Shape: status is what to answer (400, 405, 413, 414, 417, 431, 501, 505); reason is one line for
    people.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class BadResponse(WireError):
    """The upstream answered with something we do not pass on.

    Its connection is never used again.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
