"""What ending means, for one process and for several."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130  # 128 and SIGINT, as shells say it

DrainDelay = Annotated[
    float,
    typer.Option(
        min=0.0,
        help="Seconds between failing readiness and closing the ports, for a balancer to notice.",
    ),
]
DrainDeadline = Annotated[
    float, typer.Option(min=0.0, help="Seconds that requests under way get to finish.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """How long a process takes to end. Times in seconds."""

    delay_s: float = 0.0
    deadline_s: float = 5.0


def write_atomically(file: Path, text: str) -> None:
    """Write the file whole or not at all."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text, "utf-8")
    fresh.replace(file)
