"""From a request to a service name, the first of the four steps of routing.

An identifier gives each request a key, which is cheap, and each key a path, which is asked for once
a route.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from dtab import DtabSyntaxError, Path, read_path
from wire.head import first_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wire.request import RequestHead

# Between the labels of a key. No header and no target can hold it.
_SEPARATOR: Final = b"\n"
_ROOT: Final = b"/"


class Identifier(Protocol):
    """One way to name the service of a request."""

    def key(self, request: RequestHead) -> bytes | str:
        """What names the service, never empty; or text that says why nothing does, as Linkerd.

        An identifier that consumes what it reads takes it off the request's target.
        """

    def name(self, key: bytes) -> Path:
        """The path of a key, below the router's prefix."""


class Unreadable(Exception):
    """A request names its service by something that is no name; `str()` says why."""


@dataclass(frozen=True, slots=True)
class HeaderToken:
    """`io.l5d.header.token`: the service is named by one header's value, verbatim.

    Port and case are kept.
    """

    header: str = "Host"

    def key(self, request: RequestHead) -> bytes | str:
        """The label that names the service; an empty header is an absent one."""
        if self.header == "Host":
            value = request.host
        else:
            value = first_value(request.block, self.header.encode("latin-1"))
        return value or _absent(self.header)

    def name(self, key: bytes) -> Path:
        """One label."""
        return _path([key])


@dataclass(frozen=True, slots=True)
class HeaderPath:
    """`io.l5d.header`: one header's value is the path."""

    header: str = "l5d-name"

    def key(self, request: RequestHead) -> bytes | str:
        """The value. Raises: Unreadable, which ends the search of a list."""
        value = first_value(request.block, self.header.encode("latin-1"))
        if value is None:
            return _absent(self.header)
        try:
            read_path(value.decode("latin-1"))
        except DtabSyntaxError as error:
            raise Unreadable(str(error)) from None
        return value

    def name(self, key: bytes) -> Path:
        """The value as a path."""
        return read_path(key.decode("latin-1"))


@dataclass(frozen=True, slots=True)
class MethodAndHost:
    """`io.l5d.methodAndHost`: version, method and host in small letters; 1.0 has no host.

    `with_target` adds the target's segments; empty ones do not count.
    """

    with_target: bool = False

    def key(self, request: RequestHead) -> bytes | str:
        """The labels."""
        if request.minor:
            if not request.host:
                return "HTTP/1.1 request missing hostname"
            labels = [b"1.1", request.method, request.host.lower()]
        else:
            labels = [b"1.0", request.method]
        if self.with_target:
            labels += [one for one in _segments(request.target) if one]
        return _SEPARATOR.join(labels)

    def name(self, key: bytes) -> Path:
        """The labels as a path."""
        return _path(key.split(_SEPARATOR))


@dataclass(frozen=True, slots=True)
class PathSegments:
    """`io.l5d.path`: the first segments of the target's path.

    `consume`: the service sees the target without them.
    """

    segments: int = 1
    consume: bool = False

    def key(self, request: RequestHead) -> bytes | str:
        """The segments; an empty one among them is none."""
        found = _segments(request.target)[: self.segments]
        if len(found) < self.segments or not all(found):
            return "not enough segments in path"
        if self.consume:
            size = sum(map(len, found)) + len(found)
            rest = request.target[size:]
            request.target = rest if rest[:1] == _ROOT else _ROOT + rest
        return _SEPARATOR.join(found)

    def name(self, key: bytes) -> Path:
        """The segments as labels, escapes kept."""
        return _path(key.split(_SEPARATOR))


@dataclass(frozen=True, slots=True)
class Static:
    """`io.l5d.static`: one path, whatever was asked for."""

    path: Path

    def key(self, request: RequestHead) -> bytes:
        """Always the same."""
        del request
        return _ROOT

    def name(self, key: bytes) -> Path:
        """The path."""
        del key
        return self.path


class FirstOf:
    """A list of identifiers: the first that yields a name wins; the last one's reason is told."""

    def __init__(self, identifiers: Sequence[Identifier]) -> None:
        self._identifiers = identifiers

    def key(self, request: RequestHead) -> bytes | str:
        """The winner's number and key. Raises: Unreadable."""
        why = ""
        for number, one in enumerate(self._identifiers):
            key = one.key(request)
            if isinstance(key, bytes):
                return b"%d%b%b" % (number, _SEPARATOR, key)
            why = key
        return why

    def name(self, key: bytes) -> Path:
        """What the winner makes of its key."""
        number, _, rest = key.partition(_SEPARATOR)
        return self._identifiers[int(number)].name(rest)


def _absent(header: str) -> str:
    return f"{header} header is absent"


def _segments(target: bytes) -> list[bytes]:
    return target.partition(b"?")[0].split(b"/")[1:]


def _path(labels: Sequence[bytes]) -> Path:
    # Header bytes are Latin-1 and labels UTF-8, as in Linkerd; both are ASCII for every real host.
    return Path(tuple(label.decode("latin-1").encode() for label in labels))


def service_name(prefix: Path, key: bytes) -> Path:
    """`/svc` and the label that identifies the request."""
    return prefix + _path([key])
