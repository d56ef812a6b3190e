"""How a line of an explanation looks, on a terminal and on a page: what counts stands out. Pure."""

from __future__ import annotations

import re
from typing import Final

# The first that is found decides.
_LOOKS: Final = (
    (re.compile(r"of the traffic\]$"), "good"),
    (re.compile(r"^answer |refused with|failed|^ *error "), "bad"),
    (re.compile(r"is dropped$|dropped: |fallback;"), "odd"),
    (re.compile(r"does not apply|\[[^\]]*\]$"), "lost"),
    (re.compile(r" applies$|^trust +grant |^endpoint "), "good"),
)


def look_of(line: str) -> str:
    """Good (it is so), bad (it fails), odd (worth a thought), lost (it did not count), or empty."""
    return next((look for pattern, look in _LOOKS if pattern.search(line)), "")
