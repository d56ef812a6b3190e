"""What a change of configuration would do: which hosts go elsewhere, and how much that is. Pure.

Names below `/#` bind as if everybody were there: a comparison must not hang on who is up.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dtab import Path
from edge.rules.hosts import HostTable
from edge.settings.compile import Planner, compile_places
from edge.settings.reload import difference
from mesh.routing.service import ServiceSettings
from naming.compare import AnyName, Move, Way, way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from edge.rules.place import Place
    from edge.settings.edge_config import EdgeConfig
    from naming.namer import Namer

_SVC: Final = "/svc/"
_HOSTS_MAX: Final = 1_000  # below one wildcard
_NAMELESS: Final = Path.of("any")
_SETTINGS: Final = ("timeout_s", "sample_rate", "server_timing", "request", "response")


@dataclass(frozen=True, slots=True)
class HostMove:
    """A host, or a path of it, that is treated in another way.

    Shape: `moved` is the part of its requests that end elsewhere, 0 to 1; `share` the part that its
    service has of all requests counted, None: nobody was asked; `settings` differ, too.
    """

    place: str
    before: str
    after: str
    moved: float
    share: float | None = None
    settings: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """For people."""
        share = "" if self.share is None else f", which are {self.share * 100:.3g} % of all"
        yield f"{self.place}  {self.moved * 100:.3g} % of its requests move{share}"
        if self.before != self.after:
            yield f"  was {self.before}"
            yield f"  is  {self.after}"
        if self.settings:
            yield f"  changed: {', '.join(self.settings)}"


@dataclass(frozen=True, slots=True)
class Compared:
    """Everything that differs.

    Shape: `changed` and `waits` as a reload tells them; `moved` the part of all counted requests
    that end elsewhere, None: nobody was asked; `places` how many were compared.
    """

    changed: tuple[str, ...]
    waits: tuple[str, ...]
    hosts: tuple[HostMove, ...]
    places: int
    moved: float | None

    def as_json(self) -> dict[str, Any]:
        """For tools."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """For people."""
        if not self.changed:
            yield "nothing changes"
            return
        yield f"changed: {', '.join(self.changed)}"
        if self.waits:
            yield f"waits for a restart: {', '.join(self.waits)}"
        for host in self.hosts:
            yield from host.lines()


def compared(
    before: EdgeConfig,
    after: EdgeConfig,
    namers: Sequence[Namer],
    requests: Mapping[str, float] | None = None,
) -> Compared:
    """Both configurations, host by host.

    Shape: `requests` counts requests by service name, as a running gateway has seen them.
    """
    changed, waits = difference(before, after)
    old, new = Side(before, namers), Side(after, namers)
    counted = requests or {}
    total = sum(counted.values())
    places = places_of(before, counted) | places_of(after, counted)
    found: list[HostMove] = []
    parts: dict[str, float] = {}  # by service: several hosts may share one
    for name, key in places.items():
        was, now = old.at(key), new.at(key)
        settings = _settings(was.place, now.place)
        if was.way == now.way and not settings:
            continue
        moved = Move(_NAMELESS, was.way, now.way).moved
        share = counted.get(was.service, 0.0) / total if total else 0.0
        parts[was.service] = max(parts.get(was.service, 0.0), moved * share)
        told = (str(was.way), str(now.way))
        found.append(HostMove(name, *told, moved, None if requests is None else share, settings))
    part = None if requests is None else sum(parts.values())
    return Compared(changed, waits, tuple(found), len(places), part)


class _Treated(NamedTuple):
    """Where requests of a place go, under which service name, by which rule."""

    service: str
    way: Way
    place: Place | None


def _settings(was: Place | None, now: Place | None) -> tuple[str, ...]:
    if was is None or now is None:
        return ()
    return tuple(one for one in _SETTINGS if getattr(was, one) != getattr(now, one))


class Side:
    """One configuration, asked where its requests go."""

    def __init__(self, config: EdgeConfig, namers: Sequence[Namer]) -> None:
        self._hosts = HostTable(compile_places(config))
        self._plan = Planner(config, self._hosts, ServiceSettings())
        self._namers = (AnyName(), *namers)

    def at(self, key: tuple[bytes, bytes]) -> _Treated:
        """Where the requests of a host go, below a path prefix."""
        host, prefix = key
        place = self._hosts.find(host)[1]
        if place is None:
            return _Treated("", Way({}, "the test endpoint"), None)
        if prefix:
            place = place.at(prefix)
        if place.redirect is not None:
            status, scheme, there, path = place.redirect
            where = b"%b://%b%b" % (scheme or b"*", there or b"*", path or b"/*")
            return _Treated("", Way({}, f"a redirect, {status}, to {where.decode()}"), place)
        plan = self._plan(host + b" " + prefix)
        return _Treated(str(plan.service), way(plan.service, plan.dtab, self._namers), place)


def places_of(
    config: EdgeConfig, counted: Mapping[str, float] = MappingProxyType({})
) -> dict[str, tuple[bytes, bytes]]:
    """Hosts and paths by name, as host and prefix; of wildcards, whoever was seen there.

    Shape: `counted` has service names as keys.
    """
    exact = {rule.host for rule in config.host_rules if "*" not in rule.host}
    seen = [name.removeprefix(_SVC) for name in counted if name.startswith(_SVC)]
    found: dict[str, tuple[bytes, bytes]] = {}
    for rule in config.host_rules:
        hosts = [rule.host.replace("*", "any")]
        if rule.host not in exact:
            table = HostTable({rule.host: True})
            hosts += [
                one for one in seen if one not in exact and table.find(one.encode())[1] is not None
            ]
        for host in hosts[:_HOSTS_MAX]:
            for prefix in ("", *(path.prefix for path in rule.paths)):
                found[host + prefix] = (host.encode(), prefix.encode())
    return found
