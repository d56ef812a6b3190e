"""Explanations on a terminal: what counts stands out. Elsewhere, and with NO_COLOR, plain text."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# The first that is found says how a line looks.
_STYLES: Final = (
    (re.compile(r"of the traffic\]$"), "green"),
    (re.compile(r"^answer |refused with|failed|^ *error "), "red"),
    (re.compile(r"is dropped$|dropped: |fallback;"), "yellow"),
    (re.compile(r"does not apply|\[[^\]]*\]$|not reached"), "dim"),
    (re.compile(r" applies$|^trust +grant |^endpoint "), "green"),
)
_STAGE: Final = re.compile(r"^[a-z]+(?= {2,})")


def show(lines: Iterable[str]) -> None:
    """Write lines to stdout."""
    if not sys.stdout.isatty():
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        text = Text(line)
        style = next((one for pattern, one in _STYLES if pattern.search(line)), "")
        text.stylize(style)
        stage = _STAGE.match(line)
        if stage is not None:
            text.stylize("bold", 0, stage.end())
        console.print(text)
