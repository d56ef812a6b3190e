"""One file of addresses: its lines as last read whole, and the endpoints that they make."""

# Labels are bytes, and pathlib's paths are text.
# ruff: noqa: PTH116, PTH118

import os
from typing import Final

from naming.addresses import HostPort, read_addresses, union
from naming.derived import Computed, Derived
from naming.endpoint import Addr, AddrNeg, Endpoint, ReplicaSet
from naming.errors import MalformedAddress, NamingError
from naming.namers.whole_file import BeingWritten, Mark, mark, read_whole, trusted
from naming.resolver import Resolver
from naming.state import Failed, Ok, State
from naming.watch import Source

# Linkerd's limit for a file of addresses.
SIZE_MAX: Final = 500 * 1024


class FileTooLarge(NamingError):
    """A file beyond the size that is read."""


class UnreadableFile(NamingError):
    """A file that is there and may not be read."""


class AddressFile:
    """A file below a root, looked at when told to.

    Shape: `addr` is pending until the file was read, neg while it is not there, failed if it
    never could be read; after a good content a bad one changes nothing but `addr.trouble`.
    """

    __slots__ = (
        "__weakref__",
        "_content",
        "_mark",
        "_path",
        "_resolver",
        "_root",
        "addr",
        "labels",
    )

    def __init__(self, labels: tuple[bytes, ...], root: bytes, resolver: Resolver) -> None:
        self.labels: Final = labels
        self._root: Final = root
        self._path: Final = os.path.join(root, *labels)
        self._resolver: Final = resolver
        self._mark: Mark | None = None
        self._content: Final[Source[tuple[HostPort, ...] | None]] = Source()
        self.addr: Final[Derived[Addr]] = Derived(self._compute)

    def look(self) -> bool:
        """Read the file if it has changed; False if a writer must be waited for."""
        try:
            found = mark(os.stat(self._path))
            if found == self._mark:
                return True
            if not self._is_inside():
                raise FileNotFoundError(self._path)
            data, found = read_whole(self._path, SIZE_MAX)
        except BeingWritten:
            return False
        except PermissionError:
            self._mark = None
            self._set(Failed(UnreadableFile(f"no permission to read {self._text}")))
            return True
        except OSError:
            self._mark = None
            self._content.set(Ok(None))
            return True
        self._mark = trusted(found)
        self._set(self._parse(data))
        return True

    @property
    def _text(self) -> str:
        return os.fsdecode(self._path)

    def _is_inside(self) -> bool:
        """Whether the file itself, links followed, lies below the root."""
        real = os.path.realpath(self._path)
        return real.startswith(os.path.join(self._root, b""))

    def _parse(self, data: bytes) -> State[tuple[HostPort, ...] | None]:
        if len(data) > SIZE_MAX:
            return Failed(FileTooLarge(f"{self._text} is larger than {SIZE_MAX} bytes"))
        try:
            return Ok(read_addresses(data.decode("utf-8", "replace")))
        except MalformedAddress as error:
            return Failed(error)

    def _set(self, state: State[tuple[HostPort, ...] | None]) -> None:
        now = self._content.state
        if isinstance(now, Ok) and now.value is None:
            # The file is there again: that it was gone is no last good state to keep.
            self.addr.forget()
            self._content.forget(state)
        else:
            self._content.set(state)

    def _compute(self) -> Computed[Addr]:
        content = self._content.state
        if not isinstance(content, Ok):
            return content, (self._content,)
        lines = content.value
        if lines is None:
            return Ok(AddrNeg()), (self._content,)
        known = ReplicaSet(tuple(line.endpoint(line.host) for line in lines if line.numeric))
        names = [line for line in lines if not line.numeric]
        watches = [self._resolver.watch(line.host, line.port) for line in names]
        parts: list[State[Addr]] = [Ok(known)] if known.endpoints or not names else []
        for line, watch in zip(names, watches, strict=True):
            state = watch.state
            if isinstance(state, Ok) and isinstance(state.value, ReplicaSet):
                parts.append(Ok(_weighted(line, state.value.endpoints)))
            else:
                parts.append(state)
        return union(parts), (self._content, *watches)


def _weighted(line: HostPort, endpoints: tuple[Endpoint, ...]) -> ReplicaSet:
    return ReplicaSet(tuple(line.endpoint(endpoint.ip) for endpoint in endpoints))
