"""The system namers: every path below `/$/`."""

import re
from typing import Final

from dtab import EMPTY, FAIL, NEG, DtabSyntaxError, Leaf, NameTree, Path, read_path
from naming.bound import Bound
from naming.endpoint import Addr, Endpoint, ReplicaSet
from naming.errors import InvalidName, MalformedAddress, UnknownNamer
from naming.namer import Name
from naming.resolver import Resolver
from naming.rewriters import REWRITERS
from naming.state import Failed, Ok
from naming.watch import Always, Watch

SYSTEM: Final = Path.of("$")
RINET: Final = "io.buoyant.rinet"
STATUS: Final = "io.buoyant.http.status"
GLOBAL: Final = "com.twitter.finagle.namer.global"

# Java's Integer.parseInt: a sign, and decimal digits of any script.
_INTEGER: Final = re.compile(r"[+-]?\d{1,400}")
_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
_PORT_MAX: Final = 65_535
# What HTTP calls a status code, RFC 9110, 15; below 200 there would be no answer behind it.
_STATUS: Final = re.compile(r"[2-5][0-9][0-9]")

_NEG: Final[Always[NameTree[Name]]] = Always(Ok(NEG))
_FAIL: Final[Always[NameTree[Name]]] = Always(Ok(FAIL))
_EMPTY: Final[Always[NameTree[Name]]] = Always(Ok(EMPTY))


class SystemNamers:
    """All namers below `/$/`, asked last and with the path less `/$`.

    Shape: the class lookup is pure; addresses come from the resolver.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver: Final = resolver

    @property
    def prefix(self) -> Path:
        """The label that all system names begin with."""
        return SYSTEM

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        """The answer of the namer that the first label names.

        Raises: InvalidName where a rewriter builds something that is no path.
        """
        whole = SYSTEM + path
        while True:
            if not path.labels:
                return _NEG
            texts = tuple([label.decode("utf-8", "replace") for label in path.labels])
            kind, rest = texts[0], texts[1:]
            if kind != GLOBAL:
                break
            # The global namer under its own name starts over with what is left, `/$` included.
            path = _utf8(rest)
            if path.labels[:1] != SYSTEM.labels:
                return _NEG
            path = path.drop(1)
        if kind in ("inet", "fixedinet"):
            found = self._inet(path, rest, fixed=kind == "fixedinet")
        elif kind == "fail":
            return _FAIL
        elif kind == "nil":
            return _EMPTY
        elif kind == RINET:
            found = self._rinet(rest)
        elif kind == STATUS:
            found = _status(rest)
        else:
            found = _rewrite(kind, rest)
        return found or Always(Failed(UnknownNamer(kind, whole)))

    def _inet(
        self, path: Path, rest: tuple[str, ...], *, fixed: bool
    ) -> Watch[NameTree[Name]] | None:
        """HOST/PORT if the second is a port, else PORT of this host."""
        match rest:
            case (host, port, *residual) if (number := _integer(port)) is not None:
                addr = self._addr(host, number, fixed=fixed)
            case (port, *residual) if (number := _integer(port)) is not None:
                addr = _this_host(number)
            case _:
                return None
        bound_id = SYSTEM + path.take(len(path) - len(residual))
        return _bound(bound_id, _utf8(tuple(residual)), addr)

    def _rinet(self, rest: tuple[str, ...]) -> Watch[NameTree[Name]]:
        match rest:
            case (port, host, *residual):
                try:
                    named = read_path(f"/{port}/{host}")
                except DtabSyntaxError as error:
                    raise InvalidName(str(error)) from error
                number = _integer(port)
                addr: Watch[Addr]
                if number is None:
                    addr = Always(Failed(MalformedAddress(f"{host}:{port}")))
                else:
                    addr = self._addr(host, number, fixed=False)
                return _bound(Path.of("$", RINET) + named, _utf8(tuple(residual)), addr)
            case _:
                return _NEG

    def _addr(self, host: str, port: int, *, fixed: bool) -> Watch[Addr]:
        if ":" in host or not 0 <= port <= _PORT_MAX:
            return Always(Failed(MalformedAddress(f"{host}:{port}")))
        return self._resolver.watch(host, port, fixed=fixed)


def _this_host(port: int) -> Watch[Addr]:
    if not 0 <= port <= _PORT_MAX:
        return Always(Failed(MalformedAddress(f":{port}")))
    return Always(Ok(ReplicaSet((Endpoint("127.0.0.1", port),))))


def _status(rest: tuple[str, ...]) -> Watch[NameTree[Name]]:
    """A name that the data plane answers itself: its status stands in the set's metadata."""
    if not rest or _STATUS.fullmatch(rest[0]) is None:
        return _NEG
    nobody = ReplicaSet((), ((STATUS, float(rest[0])),))
    return _bound(Path.of("$", STATUS, rest[0]), _utf8(rest[1:]), Always(Ok(nobody)))


def _rewrite(kind: str, rest: tuple[str, ...]) -> Watch[NameTree[Name]] | None:
    rewriter = REWRITERS.get(kind)
    if rewriter is None:
        return None
    labels = rewriter(rest)
    if labels is None:
        return _NEG
    if "" in labels:
        raise InvalidName(f"empty label in the answer of {kind} to /{'/'.join(rest)}")
    return Always(Ok(Leaf(_utf8(labels))))


def _bound(bound_id: Path, residual: Path, addr: Watch[Addr]) -> Watch[NameTree[Name]]:
    return Always(Ok(Leaf(Bound(bound_id, residual, addr=addr))))


def _utf8(labels: tuple[str, ...]) -> Path:
    return Path(tuple([label.encode() for label in labels]))


def _integer(text: str) -> int | None:
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if _INT_MIN <= number <= _INT_MAX else None
