"""Response classifiers: whether an answer is a success, and may be asked for again.

Source: Linkerd 1.7.5 (`io.l5d.http.*`); all count 5xx as failure but `allSuccessful`.
"""

from __future__ import annotations

from typing import Final

_READ: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})
_IDEMPOTENT: Final = _READ | {b"PUT", b"DELETE"}
_ALL: Final = _IDEMPOTENT | {b"PATCH", b"POST"}

# By configuration name: the methods whose failures may be retried; None: everything is a success.
CLASSIFIERS: Final[dict[str, frozenset[bytes] | None]] = {
    "io.l5d.http.nonRetryable5XX": frozenset(),
    "io.l5d.http.retryableRead5XX": _READ,
    "io.l5d.http.retryableIdempotent5XX": _IDEMPOTENT,
    "io.l5d.http.retryableAll5XX": _ALL,
    "io.l5d.http.allSuccessful": None,
}
DEFAULT_CLASSIFIER: Final = "io.l5d.http.nonRetryable5XX"

FIRST_FAILURE: Final = 500  # below it every rule says success


class Classifier:
    """One service's rule."""

    __slots__ = ("_all_successful", "_methods")

    def __init__(self, kind: str = DEFAULT_CLASSIFIER) -> None:
        methods = CLASSIFIERS[kind]
        self._all_successful = methods is None
        self._methods = methods or frozenset()

    def success(self, status: int) -> bool:
        """Whether this status counts as success."""
        return status < FIRST_FAILURE or self._all_successful

    def retryable(self, method: bytes) -> bool:
        """Whether a failure (a 5xx, or none at all) of this method may be tried again."""
        return method in self._methods
