"""How many files and connections a process may have open."""

from __future__ import annotations

import resource
from typing import Final

_MOST: Final = 262_144


def take_descriptors() -> int:
    """Allow as many as the system lets us: most shells allow 1,024 at first. Returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard if hard != resource.RLIM_INFINITY else _MOST, _MOST)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
