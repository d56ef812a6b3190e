"""The real resolver: hosts by the system's own name service, asked again while in use."""

import asyncio
import socket
from collections.abc import Sequence
from math import inf
from typing import Final

from naming.endpoint import Addr, AddrNeg, Endpoint, ReplicaSet
from naming.errors import ResolveFailed
from naming.polled import Answer, Polled
from naming.state import Failed, Ok, State
from naming.table import SharedTable
from naming.watch import Always, Watch

# "Every few seconds"; Finagle's resolver looks again after five.
INTERVAL_S: Final = 5.0
# A name service that is silent for longer is taken to have failed.
TIMEOUT_S: Final = 10.0

# What says that the host does not exist, rather than that nobody could tell.
_UNKNOWN_HOST: Final = frozenset(
    {
        socket.EAI_NONAME,
        getattr(socket, "EAI_NODATA", socket.EAI_NONAME),
        getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME),
    }
)


class InetResolver:
    """Resolves `/$/inet` hosts. A host is asked for only while someone watches it.

    Shape: one watch a host and port, in a bounded table; the last good answer stays while the
    name service fails. Must be used where an event loop runs, unless all hosts are addresses.
    """

    def __init__(self, *, interval_s: float = INTERVAL_S, timeout_s: float = TIMEOUT_S) -> None:
        self._interval_s: Final = interval_s
        self._timeout_s: Final = timeout_s
        self._watches: Final[SharedTable[tuple[str, int, bool], Watch[Addr]]] = SharedTable()

    def watch(self, host: str, port: int, *, fixed: bool = False) -> Watch[Addr]:
        """The addresses of a host, all with this port."""
        return self._watches.get((host, port, fixed), self._make)

    def _make(self, key: tuple[str, int, bool]) -> Watch[Addr]:
        host, port, fixed = key
        ips = numeric(host)
        if ips:
            return Always(Ok(replica_set(ips, port)))

        async def ask() -> Answer[Addr]:
            state = await _resolve(host, port, self._timeout_s)
            good = isinstance(state, Ok)
            return Answer(state, inf if fixed and good else self._interval_s)

        return Polled(ask)

    async def aclose(self) -> None:
        """Stop asking, whoever still watches."""
        for watch in self._watches.values():
            if isinstance(watch, Polled):
                await watch.aclose()


def numeric(host: str) -> Sequence[str]:
    """The address that the text is, also in the old short forms such as `127.1`; or nothing."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        return ()
    return [str(info[4][0]) for info in found]


def replica_set(ips: Sequence[str], port: int) -> ReplicaSet:
    """Endpoints of the addresses, each once, all with this port."""
    return ReplicaSet(tuple(Endpoint(ip, port) for ip in dict.fromkeys(ips)))


async def _resolve(host: str, port: int, timeout_s: float) -> State[Addr]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        return Failed(ResolveFailed(f"no answer for {host} in {timeout_s:g} s"))
    except socket.gaierror as error:
        if error.errno in _UNKNOWN_HOST:
            return Ok(AddrNeg())
        return Failed(ResolveFailed(f"cannot resolve {host}: {error.strerror}"))
    except (OSError, UnicodeError, ValueError) as error:
        # Text that no name service takes: an empty or overlong label, a NUL.
        return Failed(ResolveFailed(f"cannot resolve {host}: {error}"))
    return Ok(replica_set([str(info[4][0]) for info in found], port))
