"""How commands end: their exit codes, the line that says why, and files written whole."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import typer

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130  # 128 and SIGINT, as shells say it


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say what is wrong on stderr and end."""
    typer.echo(message, err=True)
    raise typer.Exit(code) from None


def cause(error: Exception) -> str:
    """What a client or the system says went wrong, without the system's number for it."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error))


def read_text(file: Path) -> str:
    """A file's text; a file that cannot be read ends the command."""
    try:
        return file.read_text("utf-8")
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror}", USAGE)
    except UnicodeDecodeError as error:
        fail(f"{file}: cannot be read: it is no UTF-8 text (byte {error.start + 1})", USAGE)


def rewrite(file: Path, text: str) -> None:
    """Change a file that the user named, with its mode; if it cannot be, the command ends."""
    try:
        write_atomically(file, text)
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}")


def write_atomically(file: Path, text: str) -> None:
    """Write the file whole or not at all. What it was linked to stays linked, its mode too.

    Raises: OSError, and nothing is left beside it.
    """
    file = Path(os.path.realpath(file))  # `resolve` has an error of its own for a loop of links
    fresh = file.with_name(f".{file.name}.new")
    try:
        fresh.write_text(text, "utf-8")
        if file.exists():
            fresh.chmod(stat.S_IMODE(file.stat().st_mode))
        fresh.replace(file)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
