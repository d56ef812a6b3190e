"""Go's command line: `-addr=:7777`, `-addr :7777`, `--addr=:7777`, `-json`, `-json=false`.

argparse takes `-addr` for a cluster of one-letter options in some spellings, and typer costs more
to import than a demo app to start; so the flags are fields of a dataclass, read here.
"""

from __future__ import annotations

import dataclasses
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

F = TypeVar("F")
T = TypeVar("T")

# Go's strconv.ParseBool.
TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
FLOAT: Final = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)


class UsageError(Exception):
    """The command line cannot be read; the text is for its writer."""


class HelpAsked(Exception):
    """`-h` or `-help` was given."""


def flag(default: T, text: str, read: Callable[[str], T], show: Callable[[T], str] = str) -> T:
    """Declare a field that is a flag. `read` turns its text into a value or raises ValueError."""
    about = {"help": text, "read": read, "show": show}
    made: Any = dataclasses.field(default=default, metadata=about)
    return made  # type: ignore[no-any-return]  # a field stands for its value, as in dataclasses


def read_flags(flags: type[F], arguments: Sequence[str]) -> F:
    """Fill `flags` from the command line; the last of a repeated flag counts.

    Raises: UsageError; HelpAsked.
    """
    fields = {one.name.replace("_", "-"): one for one in dataclasses.fields(flags)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    rest = list(reversed(arguments))
    while rest:
        argument = rest.pop()
        if not argument.startswith("-") or argument in ("-", "--"):
            raise UsageError(f"{argument!r} is no flag")
        name, equals, text = argument.removeprefix("-").removeprefix("-").partition("=")
        if name in ("h", "help"):
            raise HelpAsked
        if name not in fields:
            near = get_close_matches(name, fields, n=1)
            raise UsageError(
                f"unknown flag -{name}" + (f"; did you mean -{near[0]}?" if near else "")
            )
        field = fields[name]
        if not equals:
            if field.metadata["read"] is boolean:
                text = "true"  # a boolean never takes the next argument
            elif rest:
                text = rest.pop()
            else:
                raise UsageError(f"flag -{name} needs a value")
        try:
            values[field.name] = field.metadata["read"](text)
        except ValueError as error:
            raise UsageError(f"-{name}: {error}") from None
    return flags(**values)


def usage(flags: type[object]) -> str:
    """One line a flag: name, default, what it is for."""
    lines = []
    for one in dataclasses.fields(flags):  # type: ignore[arg-type]
        default = one.metadata["show"](one.default)
        said = f" (default {default})" if default not in ("", "False") else ""
        lines.append(f"  -{one.name.replace('_', '-'):<14} {one.metadata['help']}{said}")
    return "\n".join(lines)


def boolean(text: str) -> bool:
    """Read a boolean as Go does."""
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def decimal(text: str) -> float:
    """Read a finite decimal number."""
    if len(text) > 32 or not FLOAT.fullmatch(text):  # noqa: PLR2004 - no rate needs more digits
        raise ValueError(f"{text[:32]!r} is no number")
    return float(text)


def whole(text: str) -> int:
    """Read a whole number that is not negative."""
    if len(text) > 15 or not re.fullmatch(r"[0-9]+", text, re.ASCII):  # noqa: PLR2004
        raise ValueError(f"{text[:32]!r} is no whole number")
    return int(text)
