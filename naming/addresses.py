"""Address files: `host port` or `host port * weight` a line, `#` comments, blank lines."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from naming.endpoint import Addr, AddrNeg, Endpoint, ReplicaSet
from naming.errors import MalformedAddress
from naming.state import PENDING, Failed, Ok, Pending, State

_LINE: Final = re.compile(r"(\S+)\s+([0-9]+)(?:\s*\*\s*([0-9]+\.?[0-9]*|\.[0-9]+))?")
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class HostPort:
    """One line: a host, its port, its weight if one is written, and whether it is an address."""

    host: str
    port: int
    weight: float | None = None
    numeric: bool = True

    def endpoint(self, ip: str) -> Endpoint:
        """The endpoint at an address of the host. A written weight is noted as metadata too."""
        if self.weight is None:
            return Endpoint(ip, self.port)
        # The key is the one under which Linkerd's delegator shows a weight.
        return Endpoint(ip, self.port, self.weight, (("endpoint_addr_weight", self.weight),))


def read_addresses(text: str) -> tuple[HostPort, ...]:
    """The lines of an address file.

    Raises: MalformedAddress for the first bad line; one bad line spoils the whole file, because
    half a replica set would take all of the traffic.
    """
    found: list[HostPort] = []
    for raw in text.split("\n"):
        line = raw.partition("#")[0].strip()
        if line:
            found.append(_read_line(line))
    return tuple(found)


def _read_line(line: str) -> HostPort:
    match = _LINE.fullmatch(line)
    if match is None:
        raise MalformedAddress(line)
    host, digits, weight = match.groups()
    # A port of many digits is no port; int() would refuse thousands of them.
    if len(digits) > 5 or not 1 <= int(digits) <= _PORT_MAX:  # noqa: PLR2004
        raise MalformedAddress(line)
    return HostPort(host, int(digits), None if weight is None else float(weight), _is_numeric(host))


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def union(parts: list[State[Addr]]) -> State[Addr]:
    """The addresses of several hosts together.

    Shape: whatever is known counts; else pending, else the first failure, else neg. No parts at
    all are an empty set.
    """
    known = [part.value for part in parts if isinstance(part, Ok)]
    sets = [addr for addr in known if isinstance(addr, ReplicaSet)]
    if sets or not parts:
        endpoints = [endpoint for addr in sets for endpoint in addr.endpoints]
        return Ok(ReplicaSet(tuple(dict.fromkeys(endpoints))))
    if any(isinstance(part, Pending) for part in parts):
        return PENDING
    failed = next((part for part in parts if isinstance(part, Failed)), None)
    return failed or Ok(AddrNeg())
