"""What the system refuses a process, for a while and for real."""

from __future__ import annotations

import contextlib
import os
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOBODY = 65_534


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """Whatever would open a file, or have the kernel tell of one, fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def no_longer_files(size: int) -> Iterator[None]:
    """No file grows beyond this size (bytes), as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def another_user() -> Iterator[None]:
    """The process owns no file that it has made so far; only root can ask for it."""
    ours = os.geteuid()
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(ours)
