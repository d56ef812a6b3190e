"""What ending means, for one process and for several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

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
