"""What is wrong with a document, where, and how to mend it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

# YAML 1.1, 4.2 (the version that libyaml reads): all of these end a line, and its marks count them.
LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
JSON_LINE_BREAK: Final = re.compile("\r?\n")
UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# One terminal line, less the margin; a longer source line is shown as a window around its place.
EXCERPT_MAX: Final = 96
# Told of one document by reading it, and again by validating it; the rest shows next time.
PROBLEMS_MAX: Final = 100


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a token stands. Units: line and column count characters from 1, width is at least 1."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. `str` gives `source:line:column: path: message` and an excerpt."""

    source: str
    line: int
    column: int
    path: str  # dotted: routers.0.dtab; empty for the document itself
    message: str
    hint: str = ""
    excerpt: str = ""  # the source line with its caret line, or empty where it may hold a secret

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}:{self.column}: "
        lines = [where + (f"{self.path}: " if self.path else "") + self.message]
        if self.excerpt:
            lines += ["    " + line for line in self.excerpt.split("\n")]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ConfigError(Exception):
    """A document cannot be used; `problems` lists every reason in the order of the text."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(problems, key=lambda one: (one.line, one.column, one.path)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


@dataclass(frozen=True)
class Text:
    """A document's text and name, from which problems are made."""

    text: str
    source: str
    breaks: re.Pattern[str] = LINE_BREAK

    @cached_property
    def lines(self) -> list[str]:
        """Split at every break that the reader counts, so that its places fit."""
        return self.breaks.split(self.text)

    def problem(
        self,
        place: Place,
        message: str,
        *,
        path: str = "",
        hint: str = "",
        show: bool = True,
        until: int | None = None,
    ) -> Problem:
        """Make a Problem with its excerpt.

        Units: `until` is a column; what stands from there on is not shown, for it may be a secret.
        """
        return Problem(
            source=self.source,
            line=place.line,
            column=place.column,
            path=path,
            message=message,
            hint=hint,
            excerpt=self._excerpt(place, until) if show else "",
        )

    def _excerpt(self, place: Place, until: int | None) -> str:
        lines = self.lines
        if place.line > len(lines):
            return ""
        # A control character in a terminal could repaint the message that quotes it.
        line = UNPRINTABLE.sub(" ", lines[place.line - 1])
        if until is not None and line[until - 1 :].strip():
            line = line[: until - 1] + " …"
        start = max(0, place.column - EXCERPT_MAX // 2) if len(line) > EXCERPT_MAX else 0
        window = line[start : start + EXCERPT_MAX]
        if start:
            window = "…" + window[1:]
        if start + EXCERPT_MAX < len(line):
            window = window[:-1] + "…"
        indent = place.column - 1 - start
        width = max(1, min(place.width, len(window) - indent))
        return f"{window.rstrip()}\n{' ' * indent}{'^' * width}" if window.strip() else ""
