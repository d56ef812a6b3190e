"""How a router treats the requests of one service."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.classify import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Linkerd's `service:` block. Times in seconds."""

    classifier: Classifier = field(default_factory=Classifier)
    total_timeout_s: float | None = None  # covers retries
    retry_backoff_s: float = 0.0
    budget_min_retries_per_s: int = 10
    budget_percent_can_retry: float = 0.2
    budget_ttl_s: float = 10.0
