"""How many files and connections a process may have open."""

from __future__ import annotations

import resource
from typing import Final

_MOST: Final = 262_144


def take_descriptors() -> int:
    """Allow as many as the system lets us: most shells allow 1,024 at first. Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > _MOST:
        most = _MOST if soft == resource.RLIM_INFINITY else max(soft, _MOST)
    else:
        most = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
