"""One compiled host rule or path rule: what is the same for each of its requests. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dtab import Dtab

if TYPE_CHECKING:
    import re

    from dtab import Path


class Redirect(NamedTuple):
    """An answer that sends the client elsewhere; an empty scheme or host is kept."""

    status: int
    scheme: bytes
    host: bytes
    path: bytes  # empty: the request's own path and query


class Edits(NamedTuple):
    """What a rule does to header lines."""

    remove: re.Pattern[bytes] | None
    lines: bytes  # each led by CRLF

    def apply(self, block: bytes) -> bytes:
        """The block with what is to go gone, and what is set behind it."""
        if self.remove is not None:
            block = self.remove.sub(b"", block)
        return block + self.lines


NO_EDITS = Edits(None, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request arrived, by host and path.

    Shape: `pattern` is the host as configured, `prefix` a path without final slash, empty for the
    host itself; `paths` are the host's path rules, longest first; `service` None: `/svc/<host>`;
    `forward` names an address that gets everything, and then no dtab steers; `server_timing`:
    outsiders see times and trace ids of services.
    """

    pattern: str
    prefix: bytes = b""
    paths: tuple[Place, ...] = ()
    service: Path | None = None
    forward: Path | None = None
    dtab: Dtab = field(default_factory=Dtab)
    timeout_s: float | None = None
    sample_rate: float | None = None
    redirect: Redirect | None = None
    server_timing: bool = False
    request: Edits = NO_EDITS
    response: Edits = NO_EDITS

    def at(self, target: bytes) -> Place:
        """The rule for a target in its normal form: the longest prefix of whole segments."""
        for place in self.paths:
            prefix = place.prefix
            if target.startswith(prefix) and target[len(prefix) : len(prefix) + 1] in _ENDS:
                return place
        return self

    @property
    def name(self) -> str:
        """The rule as a person calls it."""
        return f"{self.pattern}{self.prefix.decode()}"


_ENDS = (b"", b"/", b"?")
