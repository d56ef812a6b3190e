"""How a router treats the requests of one service."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.faces.answers import server_timeout, total_timeout
from mesh.resilience.backoff import Backoff, Constant
from mesh.resilience.classify import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Linkerd's `service:` block. Times in seconds."""

    classifier: Classifier = field(default_factory=Classifier)
    total_timeout_s: float | None = None  # covers retries
    server_timeout: tuple[float, str] | None = None  # of the whole server, and its name in errors
    backoff: Backoff = field(default_factory=Constant)  # between retries
    budget_min_retries_per_s: int = 10
    budget_percent_can_retry: float = 0.2
    budget_ttl_s: float = 10.0

    @property
    def timeout_s(self) -> float | None:
        """The shorter of the service's and the server's."""
        limits = [self.total_timeout_s, self.server_timeout and self.server_timeout[0]]
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def timeout_message(self) -> str:
        """What a caller is told when it is over."""
        total, server = self.total_timeout_s, self.server_timeout
        if server is not None and (total is None or server[0] < total):
            return server_timeout(*server)
        return total_timeout(total or 0.0)
