"""What a file that is read again puts in force at once, and what waits for a restart. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mesh.config.naming_config import FsInterpreterConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mesh.config.linkerd_config import MeshConfig, RouterConfig

# Made once, at the start.
_FIXED: Final = ("admin", "workers", "namers", "telemetry", "accessLog")
_FIXED_OF_ROUTER: Final = (
    *("servers", "identifier", "client", "tracePropagator"),
    *("maxHeadersKB", "maxInitialLineKB", "upgrades"),
)


def in_force(before: MeshConfig, after: MeshConfig) -> tuple[MeshConfig, tuple[str, ...]]:
    """The new configuration, but what waits for a restart as it was; and the keys that wait."""
    waits = [name for name in _FIXED if getattr(before, name) != getattr(after, name)]
    kept: dict[str, object] = {name: getattr(before, name) for name in waits}
    found = {router.name: router for router in after.routers}
    routers = []
    for old in before.routers:
        new = found.pop(old.name, None)
        if new is None:
            waits.append(f"routers.{old.name}")
            routers.append(old)
            continue
        names = list(_fixed(old, new))
        waits += [f"routers.{old.name}.{name}" for name in names]
        routers.append(new.model_copy(update={name: getattr(old, name) for name in names}))
    waits += [f"routers.{name}" for name in found]
    return after.model_copy(update={**kept, "routers": tuple(routers)}), tuple(waits)


def _fixed(old: RouterConfig, new: RouterConfig) -> Iterator[str]:
    """What of a router has changed and waits."""
    for name in _FIXED_OF_ROUTER:
        if getattr(old, name) != getattr(new, name):
            yield name
    follows = any(isinstance(one.interpreter, FsInterpreterConfig) for one in (old, new))
    if follows and old.interpreter != new.interpreter:
        yield "interpreter"
