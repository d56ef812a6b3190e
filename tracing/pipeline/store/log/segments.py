"""The log: accepted messages in plain files that are only appended to, and removed whole.

A message is one record: a head of fixed size and the v2 JSON of its spans, packed, but byte for
byte where it came in good form. Writing one is a single call into the page cache: less than handing
it to a thread, and a tenth of a row in SQLite. The log is the truth; the index says what lies where
in it.
"""

import os
import re
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, NamedTuple

from tracing.pipeline.store.log.packing import Packer, unpack
from tracing.pipeline.store.port import StoreError

# Magic, bytes as they lie here and their CRC-32, bytes of the body, its spans, when it was stored
# (milliseconds since 1970), and a number: that of the row of the waiting room that it comes from (0
# for what did not wait); in the waiting room's own log, how many spans were accepted so far.
_HEAD: Final = struct.Struct("<4sIIIIqq")
_MAGIC: Final = b"wsp1"
SEGMENT_BYTES: Final = 16 << 20
_NAME: Final = re.compile(r"[0-9]{12}\.spans")
_OPEN_MAX: Final = 4  # a file that was removed takes its place until it is closed


class Place(NamedTuple):
    """Where in the log a run of whole records lies. Units: offset and size are bytes."""

    segment: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + self.size


class Record(NamedTuple):
    """One message. Units: stored_ms is the wall clock."""

    body: bytes
    spans: int
    stored_ms: int
    arrival: int


class SpanLog:
    """The end at which the log grows; belongs to one thread.

    Durability: a record whose `append` returned survives the death of the process, kill -9
    included. A power loss may take what no `sync` has come to.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        folder.mkdir(exist_ok=True)
        self.folder: Final = folder
        self._segment_bytes = segment_bytes
        self._packer = Packer()
        self._sealed: list[int] = []
        self.segment = max(segments(folder), default=0)
        self._size = 0
        self._fd = -1

    def recover(self, segment: int, end: int) -> Iterator[tuple[Place, Record]]:
        """The records behind this place, which the index does not know; then `append` may be used.

        What is behind the last whole record was never acknowledged, and goes.
        """
        for number in segments(self.folder):
            if number < segment:
                continue
            known = end if number == segment else 0
            with segment_path(self.folder, number).open("rb") as file:
                whole = min(known, file.seek(0, os.SEEK_END))
                file.seek(known)
                data = file.read()
            for offset, end_of_it, record in _records(data):
                yield Place(number, known + offset, end_of_it - offset), record
                whole = known + end_of_it
            if number == self.segment:
                self._open(number, whole)
        if self._fd < 0:
            self._open(max(self.segment, segment) + 1, 0)
        self.go_behind(segment, end - 1)

    def go_behind(self, segment: int, offset: int) -> None:
        """Use no place up to this one: a power loss took it, but somebody remembers it."""
        if (self.segment, self._size) <= (segment, offset):
            self._seal_and_open(segment + 1)

    def append(self, body: bytes, spans: int, stored_ms: int, arrival: int = 0) -> Place:
        """Write one record, whole or not at all. Raises: StoreError."""
        packed = self._packer.pack(body)
        check = zlib.crc32(packed)
        head = _HEAD.pack(_MAGIC, len(packed), check, len(body), spans, stored_ms, arrival)
        size = len(head) + len(packed)
        try:
            if self._size and self._size + size > self._segment_bytes:
                self._seal_and_open(self.segment + 1)
            written = os.writev(self._fd, (head, packed))
        except OSError as error:
            raise StoreError(f"cannot write to {self.folder}: {error.strerror}") from error
        if written != size:  # the disk is full
            os.ftruncate(self._fd, self._size)
            raise StoreError(f"cannot write to {self.folder}: only {written} of {size} bytes went")
        place = Place(self.segment, self._size, size)
        self._size += size
        return place

    def take_sealed(self) -> list[int]:
        """Descriptors of files that grow no more, for `sync` in whatever thread."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def sync(self) -> None:
        """In whatever thread: wait until what was appended so far is on the disk."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Put everything on the disk and let go."""
        sync([*self.take_sealed(), self._fd])

    def _seal_and_open(self, number: int) -> None:
        full = self._fd
        self._open(number, 0)
        self._sealed.append(full)

    def _open(self, number: int, size: int) -> None:
        path = segment_path(self.folder, number)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.ftruncate(fd, size)
        self._fd, self.segment, self._size = fd, number, size


class LogReader:
    """Reads records beside the end that grows; belongs to one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: OrderedDict[int, int] = OrderedDict()

    def read(self, place: Place) -> tuple[list[Record], bool]:
        """The records there, and whether no other was spoilt; none where they were forgotten."""
        try:
            data = os.pread(self._descriptor(place.segment), place.size, place.offset)
        except FileNotFoundError:
            return [], True
        except OSError:
            return [], False
        found = list(_records(data))
        whole = sum(end - offset for offset, end, _ in found) == place.size
        return [record for _, _, record in found], whole

    def close(self) -> None:
        """Let go."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _descriptor(self, segment: int) -> int:
        fd = self._open.get(segment)
        if fd is None:
            fd = os.open(segment_path(self._folder, segment), os.O_RDONLY | os.O_CLOEXEC)
            self._open[segment] = fd
            if len(self._open) > _OPEN_MAX:
                os.close(self._open.popitem(last=False)[1])
        else:
            self._open.move_to_end(segment)
        return fd


def segments(folder: Path) -> list[int]:
    """The numbers of the files, which grow."""
    return sorted(int(one.stem) for one in folder.iterdir() if _NAME.fullmatch(one.name))


def remove_before(folder: Path, segment: int) -> None:
    """Remove the files before this segment."""
    for number in segments(folder):
        if number < segment:
            with suppress(OSError):  # the next time, then
                segment_path(folder, number).unlink()


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"{number:012}.spans"


def sync(descriptors: list[int]) -> None:
    """Wait until these files are on the disk, and close them."""
    with ExitStack() as closing:
        for fd in descriptors:
            closing.callback(os.close, fd)
        for fd in descriptors:
            os.fdatasync(fd)


def _records(data: bytes) -> Iterator[tuple[int, int, Record]]:
    """Each whole record, with its offset and its end; the spoilt are passed over."""
    at = 0
    while (at := data.find(_MAGIC, at)) >= 0 and len(data) - at >= _HEAD.size:
        _, size, crc, unpacked, spans, stored_ms, arrival = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + size
        packed = data[at + _HEAD.size : end]
        body = None
        if len(packed) == size and zlib.crc32(packed) == crc:
            body = unpack(packed, unpacked)
        if body is None:
            at += 1
        else:
            yield at, end, Record(body, spans, stored_ms, arrival)
            at = end
