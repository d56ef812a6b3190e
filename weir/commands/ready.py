"""The ready file: JSON that is there once everything answers, for whoever waits for that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from weir.commands.ending import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class ReadyFileError(Exception):
    """It cannot be written; the text says which and why."""


def tell_ready(file: Path | None, facts: Mapping[str, object]) -> None:
    """Write it, if one was asked for. Raises: ReadyFileError."""
    if file is None:
        return
    try:
        write_atomically(file, json.dumps(facts, indent=2) + "\n")
    except OSError as error:
        raise ReadyFileError(f"cannot write {file}: {error.strerror}") from None
