"""What is settled about a service before its name is bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtab import Dtab, Path
    from mesh.service import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one key of the face is routed.

    Shape: `dtab` is the base table; a request's own dtab goes behind it only where `steerable`,
    and is passed on either way; `tags` stand in every span of the route.
    """

    service: Path
    dtab: Dtab
    settings: ServiceSettings
    steerable: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
