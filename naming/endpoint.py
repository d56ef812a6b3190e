"""Addresses: endpoints, and the sets of them that stand behind a bound name."""

from dataclasses import dataclass
from typing import TypeAlias

# Metadata in the order in which it is shown; hashable, because endpoints are.
Meta: TypeAlias = tuple[tuple[str, str | float], ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port. The weight is its share among its set; 1 unless something says so."""

    ip: str
    port: int
    weight: float = 1.0
    meta: Meta = ()

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """The endpoints of a name, none of them twice. An empty set exists, with nobody home."""

    endpoints: tuple[Endpoint, ...]
    meta: Meta = ()


@dataclass(frozen=True, slots=True)
class AddrNeg:
    """The name has no addresses at all: its host, file or service does not exist."""


Addr: TypeAlias = ReplicaSet | AddrNeg
