"""Explanations on a terminal, in colours. Elsewhere, and with NO_COLOR, plain text."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

from edge.answers.looks import look_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_STYLES: Final = {"good": "green", "bad": "red", "odd": "yellow", "lost": "dim", "": ""}
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
        text = Text(line, style=_STYLES[look_of(line)])
        stage = _STAGE.match(line)
        if stage is not None:
            text.stylize("bold", 0, stage.end())
        console.print(text)
