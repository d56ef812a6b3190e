"""The steps of a verdict, for those who ask for its reasons. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """One decision: where, and what with its reason."""

    stage: str
    text: str


class Trail:
    """Collects the steps of one verdict, in order."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, stage: str, text: str) -> None:
        """One more step."""
        self.steps.append(Step(stage, text))

    def as_header(self) -> str:
        """The steps on one line, visible ASCII only."""
        return visible(" | ".join(f"{stage}: {text}" for stage, text in self.steps))


def visible(text: str) -> str:
    """Visible ASCII only: a line break in a reason would begin another header line."""
    return "".join(one if " " <= one <= "~" else "?" for one in text)
