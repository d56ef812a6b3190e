"""Reading a file whole, or not at all while someone writes it.

A file that was moved into place is whole. For one that is written in place the kernel knows:
it grants a read lease only while nobody has the file open for writing. Where leases are not to
be had (another owner's file, another system), a file counts as whole once it has rested.
"""

import fcntl
import os
import signal
import stat
import time
from typing import Final

# How long a file must rest where the kernel cannot tell, and how long a writer that holds it
# open without writing is waited for.
REST_S: Final = 0.025
IDLE_WRITER_S: Final = 1.0
# Two writes within a tick of the file system's clock leave the same mark.
TICK_NS: Final = 20_000_000


class BeingWritten(Exception):
    """Not now: a writer has not finished."""


# What tells one content of a file from another without reading it.
Mark = tuple[int, int, int, int, int]


def mark(found: os.stat_result) -> Mark:
    """The mark of a file as it stands."""
    return (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def trusted(read: Mark) -> Mark | None:
    """The mark of a file that was read just now; None where a later write could leave the same."""
    return None if time.time_ns() - read[-1] < TICK_NS else read


def read_whole(path: bytes, size_max: int) -> tuple[bytes, Mark]:
    """A file's bytes, at most one more than size_max, and its mark.

    Raises: BeingWritten; OSError, also for what is no regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError(path)
        leased = _lease(fd, found)
        try:
            data = b""
            while len(data) <= size_max and (part := os.read(fd, size_max + 1 - len(data))):
                data += part
        finally:
            if leased:
                fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return data, mark(found)
    finally:
        os.close(fd)


def _lease(fd: int, found: os.stat_result) -> bool:
    """Hold off writers; whether that is in force. Raises: BeingWritten."""
    rested_s = time.time_ns() / 1e9 - found.st_mtime_ns / 1e9
    try:
        # A writer that comes while we read waits for us and we are sent a signal, which would
        # be SIGIO and would end us; SIGURG is ignored unless someone asks for it.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError as error:
        if 0 <= rested_s < IDLE_WRITER_S:
            raise BeingWritten from error
        return False
    except (AttributeError, OSError) as error:
        # A clock that is behind the file's makes the rest negative; then nothing can be told.
        if 0 <= rested_s < REST_S:
            raise BeingWritten from error
        return False
    return True
