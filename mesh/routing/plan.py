"""What is settled about a service before its name is bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from naming.errors import NamingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dtab import Dtab, NameTree, Path
    from mesh.routing.service import ServiceSettings
    from naming.bound import Bound
    from naming.interpreter import Interpreter
    from naming.watch import Watch

# Gives a route's binding; asked again, it binds anew.
Asked: TypeAlias = "Callable[[], Watch[NameTree[Bound]]]"


class RouteRefused(NamingError):
    """A local dtab leads where its sender may not go. `status` answers every such request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one key of the face is routed.

    Shape: `dtab` is the base table; a request's own dtab goes behind it only where `steerable`,
    and is passed on either way; `tags` stand in every span of the route. `bind` binds where there
    is a local dtab, in place of binding by base and local together.
    """

    service: Path
    dtab: Dtab
    settings: ServiceSettings
    steerable: bool = True
    bind: Callable[[Interpreter, Dtab], Asked] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
