"""Names out of DNS: hosts by A and AAAA records, services by SRV records, each by its TTL."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdtypes.IN.SRV
import dns.resolver
from dns.nameserver import Do53Nameserver

from dtab import NEG, Leaf, NameTree, Path
from naming.bound import Bound
from naming.derived import Computed, Derived
from naming.endpoint import Addr, AddrNeg, Endpoint, ReplicaSet
from naming.errors import ResolveFailed
from naming.namer import Name
from naming.polled import Answer, Polled
from naming.state import Failed, Ok
from naming.table import SharedTable
from naming.watch import Always, Watch

# A TTL of 0 would ask without a pause, one of a week would outlive every deployment.
TTL_MIN_S: Final = 1.0
TTL_MAX_S: Final = 300.0
# Linkerd's refreshIntervalSeconds: how soon to ask again where there is no TTL to go by.
RETRY_S: Final = 5.0
TIMEOUT_S: Final = 5.0
PORT_MAX: Final = 65_535
# RFC 2782: a weight of 0 among others means a very small chance.
SMALL_WEIGHT: Final = 0.1

# The endpoints of a name, or None for a name that does not exist.
Records: TypeAlias = tuple[Endpoint, ...] | None
Found: TypeAlias = tuple[Records, float]


def client(nameservers: Sequence[tuple[str, int]] = ()) -> dns.asyncresolver.Resolver:
    """A DNS client for these servers (address, port), or for those of the system.

    A system that names none is asked all the same; each answer then says so.
    """
    if not nameservers:
        with contextlib.suppress(dns.resolver.NoResolverConfiguration):
            return dns.asyncresolver.Resolver()
    found = dns.asyncresolver.Resolver(configure=False)
    found.nameservers = [Do53Nameserver(host, port) for host, port in nameservers]
    return found


class Question(Protocol):
    """What is asked for a name: its endpoints and how long they may be used."""

    @property
    def size(self) -> int:
        """How many labels the name has."""
        ...

    async def ask(self, dns_client: dns.asyncresolver.Resolver) -> Found:
        """The endpoints. Raises: DNSException, ResolveFailed."""
        ...


class DnsNamer:
    """Watches by name, asked for while someone listens.

    Shape: pending until answered; neg for a name that does not exist. A server that fails is
    told by `trouble`: the last good answer stays, and before there was one the name is neg, as
    with Linkerd, so that an alternative may serve. `read` tells what to ask for a path, or None
    where it is no name: `srv_question` or `host_question`.
    Units: an answer is asked for anew after its TTL, `ttl_min_s` at the least; what failed or
    does not exist, after `retry_s`.
    """

    def __init__(
        self,
        prefix: Path,
        dns_client: dns.asyncresolver.Resolver,
        read: Callable[[Path], Question | None],
        *,
        ttl_min_s: float = TTL_MIN_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._prefix: Final = prefix
        self._client: Final = dns_client
        self._question: Final = read
        self._ttl_min_s: Final = ttl_min_s
        self._retry_s: Final = retry_s
        self._records: Final[SharedTable[Path, Polled[Records]]] = SharedTable()
        self._watches: Final[SharedTable[Path, Watch[NameTree[Name]]]] = SharedTable()

    @property
    def prefix(self) -> Path:
        """Where this namer is asked."""
        return self._prefix

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        """The bound name, or neg."""
        return self._watches.get(path, self._make)

    async def aclose(self) -> None:
        """Ask no more, whoever still listens."""
        for records in self._records.values():
            await records.aclose()

    def _make(self, path: Path) -> Watch[NameTree[Name]]:
        question = self._question(path)
        if question is None:
            return Always(Ok(NEG))
        name = path.take(question.size)
        records = self._records.get(name, lambda _: self._poll(question))
        bound = Bound(self._prefix + name, path.drop(question.size), addr=_addr(records))

        def compute() -> Computed[NameTree[Name]]:
            state = records.state
            if isinstance(state, Ok):
                tree: NameTree[Name] = NEG if state.value is None else Leaf(bound)
                return Ok(tree), (records,)
            if isinstance(state, Failed):
                return Ok(NEG), (records,)
            return state, (records,)

        return Derived(compute)

    def _poll(self, question: Question) -> Polled[Records]:
        async def ask() -> Answer[Records]:
            try:
                records, ttl_s = await question.ask(self._client)
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                return Answer(Ok(None), self._retry_s)
            except dns.exception.DNSException as error:
                return Answer(Failed(ResolveFailed(f"DNS: {error}")), self._retry_s)
            except (OSError, ResolveFailed) as error:
                return Answer(Failed(ResolveFailed(str(error))), self._retry_s)
            return Answer(Ok(records), min(max(ttl_s, self._ttl_min_s), TTL_MAX_S))

        return Polled(ask)


def _addr(records: Watch[Records]) -> Watch[Addr]:
    def compute() -> Computed[Addr]:
        state = records.state
        if not isinstance(state, Ok):
            return state, (records,)
        addr = AddrNeg() if state.value is None else ReplicaSet(state.value)
        return Ok(addr), (records,)

    return Derived(compute)


def srv_question(path: Path) -> Question | None:
    """`io.l5d.dnssrv`: `/_http._tcp.web.example`, the SRV records of that name.

    Shape: only the records of the lowest priority; their weights become the endpoints'.
    """
    name = _name(path.labels[0]) if path.labels else None
    return None if name is None else _Service(name)


def host_question(path: Path) -> Question | None:
    """`io.weir.dns`: `/web.example/8080`, the A and AAAA records of a host with that port."""
    match path.labels:
        case (host, port, *_) if port.isdigit() and len(port) <= len(str(PORT_MAX)):
            name = _name(host)
            if name is None or not 1 <= int(port) <= PORT_MAX:
                return None
            return _Host(name, int(port))
        case _:
            return None


def _name(label: bytes) -> dns.name.Name | None:
    try:
        return dns.name.from_text(label.decode("ascii"))
    except (dns.exception.DNSException, UnicodeError):
        return None


class _Host:
    """The addresses of a host."""

    size = 2

    def __init__(self, name: dns.name.Name, port: int) -> None:
        self._name: Final = name
        self._port: Final = port

    async def ask(self, dns_client: dns.asyncresolver.Resolver) -> Found:
        """The endpoints. Raises: DNSException."""
        ips, ttl_s = await _addresses(dns_client, self._name)
        return tuple(Endpoint(ip, self._port) for ip in ips), ttl_s


class _Service:
    """The endpoints of a service."""

    size = 1

    def __init__(self, name: dns.name.Name) -> None:
        self._name: Final = name

    async def ask(self, dns_client: dns.asyncresolver.Resolver) -> Found:
        """The endpoints. Raises: DNSException."""
        answer = await dns_client.resolve(self._name, "SRV", lifetime=TIMEOUT_S)
        ttl_s = float(answer.rrset.ttl if answer.rrset is not None else 0)
        records = [r for r in answer if isinstance(r, dns.rdtypes.IN.SRV.SRV)]
        best = min((record.priority for record in records), default=0)
        wanted = [r for r in records if r.priority == best and r.target != dns.name.root]
        weighted = any(record.weight for record in wanted)
        found: list[Endpoint] = []
        for record in wanted:
            try:
                ips, host_ttl_s = await _addresses(dns_client, record.target)
            except dns.resolver.NXDOMAIN:
                continue  # a record that was left behind; the others serve
            ttl_s = min(ttl_s, host_ttl_s)
            weight = (record.weight or SMALL_WEIGHT) if weighted else 1.0
            found += [Endpoint(ip, record.port, float(weight)) for ip in ips]
        if wanted and not found:
            raise dns.resolver.NXDOMAIN
        # RFC 2782: a target of "." says that the service is decidedly not there.
        return tuple(dict.fromkeys(found)) or None, ttl_s


async def _addresses(
    dns_client: dns.asyncresolver.Resolver, name: dns.name.Name
) -> tuple[list[str], float]:
    """The IPv4 and IPv6 addresses of a host, and the shorter TTL. Raises: DNSException."""
    ips: list[str] = []
    ttl_s = TTL_MAX_S
    for kind in ("A", "AAAA"):
        answer = await dns_client.resolve(
            name, kind, lifetime=TIMEOUT_S, raise_on_no_answer=False, search=False
        )
        if answer.rrset is not None:
            ttl_s = min(ttl_s, float(answer.rrset.ttl))
            ips += [record.to_text() for record in answer]
    if not ips:
        raise dns.resolver.NXDOMAIN
    return ips, ttl_s
