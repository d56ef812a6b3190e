"""Each namer in a world of its own, held to the one contract."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path as File

import pytest

from dtab import Path
from naming.endpoint import Endpoint, ReplicaSet
from naming.namer import Namer
from naming.namers.dns import DnsNamer, Question, client, host_question, srv_question
from naming.namers.fs import FsNamer
from tests.kits.dns_server import DnsServer
from tests.kits.namer import (
    EmptyContract,
    FrailContract,
    FrailWorld,
    NamerContract,
    World,
    addr_is,
    bound_of,
)
from tests.kits.running import free_port
from tests.kits.static_namer import StaticNamer


class StaticWorld:
    def __init__(self) -> None:
        self.namer = StaticNamer()
        self.name = Path.of("web")

    async def put(self, endpoints: Sequence[Endpoint]) -> None:
        self.namer.set({self.name: ReplicaSet(tuple(endpoints))})

    async def remove(self) -> None:
        self.namer.set({})


class TestStatic(NamerContract, EmptyContract):
    @pytest.fixture
    def world(self) -> World:
        return StaticWorld()


class FsWorld:
    def __init__(self, root: File, namer: FsNamer, name: Path) -> None:
        self.namer = namer
        self.name = name
        self.file = root.joinpath(*(label.decode() for label in name.labels))

    async def put(self, endpoints: Sequence[Endpoint]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text("".join(f"{e.ip} {e.port}\n" for e in endpoints))

    async def remove(self) -> None:
        self.file.unlink()

    async def spoil(self) -> None:
        self.file.write_text("127.0.0.1 80\nnonsense\n")


class TestFs(NamerContract, EmptyContract, FrailContract):
    @pytest.fixture(params=["web", "team/shop/web"])
    async def world(
        self, tmp_path: File, request: pytest.FixtureRequest
    ) -> AsyncIterator[FrailWorld]:
        async with FsNamer(tmp_path) as namer:
            yield FsWorld(tmp_path, namer, Path.of(*request.param.split("/")))


class DnsWorld:
    def __init__(self, server: DnsServer, namer: Namer, name: Path) -> None:
        self.server = server
        self.namer = namer
        self.name = name

    async def put(self, endpoints: Sequence[Endpoint]) -> None:
        self.server.broken = False
        self.server.zone = {("web.example.", "A"): (0, [e.ip for e in endpoints])}
        for number, endpoint in enumerate(endpoints):
            self.server.zone[f"h{number}.example.", "A"] = (0, [endpoint.ip])
        targets = [f"1 5 {e.port} h{number}.example." for number, e in enumerate(endpoints)]
        self.server.zone["_http._tcp.web.example.", "SRV"] = (0, targets)

    async def remove(self) -> None:
        self.server.zone = {}

    async def spoil(self) -> None:
        self.server.broken = True


@pytest.fixture
async def dns_server() -> AsyncIterator[DnsServer]:
    async with DnsServer() as server:
        yield server


def dns_namer(server: DnsServer, read: Callable[[Path], Question | None]) -> DnsNamer:
    asked = client([("127.0.0.1", server.port)])
    return DnsNamer(Path.of("#", "dns"), asked, read, ttl_min_s=0.01, retry_s=0.01)


# DNS has no records without an address, so its names are never empty.
class TestDnsHosts(NamerContract, FrailContract):
    @pytest.fixture
    async def world(self, dns_server: DnsServer) -> AsyncIterator[FrailWorld]:
        namer = dns_namer(dns_server, host_question)
        yield DnsWorld(dns_server, namer, Path.of("web.example", "8001"))
        await namer.aclose()


class TestDnsServices(NamerContract, FrailContract):
    @pytest.fixture
    async def world(self, dns_server: DnsServer) -> AsyncIterator[FrailWorld]:
        namer = dns_namer(dns_server, srv_question)
        yield _WeightedWorld(dns_server, namer, Path.of("_http._tcp.web.example"))
        await namer.aclose()


class _WeightedWorld(DnsWorld):
    """SRV records have weights; here all of them are 0, which is no weight at all."""

    async def put(self, endpoints: Sequence[Endpoint]) -> None:
        await super().put(endpoints)
        ttl, targets = self.server.zone["_http._tcp.web.example.", "SRV"]
        plain = [target.replace("1 5 ", "1 0 ") for target in targets]
        self.server.zone["_http._tcp.web.example.", "SRV"] = (ttl, plain)


async def test_a_target_that_does_not_exist_takes_no_other_with_it(dns_server: DnsServer) -> None:
    dns_server.zone = {
        ("_http._tcp.web.example.", "SRV"): (9, ["1 0 1 gone.example.", "1 0 2 here.example."]),
        ("here.example.", "A"): (9, ["127.0.0.2"]),
    }
    namer = dns_namer(dns_server, srv_question)
    bound = await bound_of(namer, Path.of("_http._tcp.web.example"))
    await addr_is(bound.addr, ReplicaSet((Endpoint("127.0.0.2", 2),)))
    await namer.aclose()


async def test_two_name_servers_of_one_address_are_two(dns_server: DnsServer) -> None:
    dns_server.zone = {("web.example.", "A"): (9, ["127.0.0.2"])}
    asked = client([("127.0.0.1", dns_server.port), ("127.0.0.1", free_port())])
    namer = DnsNamer(Path.of("#", "dns"), asked, host_question)
    bound = await bound_of(namer, Path.of("web.example", "80"))
    await addr_is(bound.addr, ReplicaSet((Endpoint("127.0.0.2", 80),)))
    await namer.aclose()
