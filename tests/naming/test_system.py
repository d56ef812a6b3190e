import pytest

from dtab import EMPTY, NEG, Dtab, Leaf, NameTree, Path, read_path
from naming.bind import bind
from naming.bound import Bound
from naming.endpoint import Addr, AddrNeg, Endpoint, ReplicaSet
from naming.errors import InvalidName, MalformedAddress, UnknownNamer
from naming.namer import Name
from naming.namers.rewrite import InvalidPattern, RewriteNamer
from naming.state import PENDING, Failed, Ok, State
from naming.system import STATUS, SystemNamers
from naming.transformers import (
    K8sDaemonsetTransformer,
    LocalnodeTransformer,
    Node,
    NodeLocalTransformer,
    PortTransformer,
    SubnetLocalTransformer,
    localhost,
    specific_host,
)
from naming.watch import Source
from tests.kits.tables import TableResolver

SYSTEM = SystemNamers(TableResolver({"web.example": ("10.0.0.1", "10.0.0.2")}))


def asked(path: str) -> State[NameTree[Name]]:
    return SYSTEM.lookup(read_path(path).drop(1)).state


def addr(path: str) -> State[Addr]:
    state = bind(read_path(path), Dtab(), [SYSTEM]).state
    assert isinstance(state, Ok)
    assert isinstance(state.value, Leaf)
    return state.value.value.addr.state


def test_a_host_has_all_its_addresses() -> None:
    both = (Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80))
    assert addr("/$/inet/web.example/80") == Ok(ReplicaSet(both))
    assert addr("/$/inet/none.example/80") == Ok(AddrNeg())


@pytest.mark.parametrize(
    "path",
    [
        "/$/inet/h/-1",
        "/$/inet/h/65536",
        "/$/inet/65536",
        r"/$/inet/\x3a\x3a1/80",
        "/$/inet/h:81/80",
        "/$/io.buoyant.rinet/http/h",
    ],
)
def test_what_is_no_address_binds_and_has_failed_addresses(path: str) -> None:
    state = addr(path)
    assert isinstance(state, Failed)
    assert isinstance(state.error, MalformedAddress)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/$/inet/127.1/notaport", "Unknown namer: inet for path: /$/inet/127.1/notaport"),
        ("/$/no.such.Namer/x", "Unknown namer: no.such.Namer for path: /$/no.such.Namer/x"),
        ("/$/inet/h/" + "0" * 500, "Unknown namer: inet for path: /$/inet/h/" + "0" * 500),
    ],
)
def test_an_unknown_name_is_told_as_linkerd_tells_it(path: str, message: str) -> None:
    state = asked(path)
    assert isinstance(state, Failed)
    assert isinstance(state.error, UnknownNamer)
    assert str(state.error) == message


@pytest.mark.parametrize("code", ["503", "204"])
def test_a_status_is_a_name_with_nobody_home_that_says_it(code: str) -> None:
    state = bind(read_path(f"/$/{STATUS}/{code}/x"), Dtab(), [SYSTEM]).state
    assert isinstance(state, Ok)
    assert str(state.value) == f"</$/{STATUS}/{code}|/x>"
    assert addr(f"/$/{STATUS}/{code}") == Ok(ReplicaSet((), ((STATUS, float(code)),)))


@pytest.mark.parametrize("rest", ["", "/99", "/600", "/100", "/ok"])
def test_what_is_no_status_is_neg(rest: str) -> None:
    assert asked(f"/$/{STATUS}{rest}") == Ok(NEG)


def test_the_global_namer_starts_over() -> None:
    name = "/$/com.twitter.finagle.namer.global"
    assert asked(f"{name}/$/nil") == Ok(EMPTY)
    assert asked(f"{name}{name}/$/nil") == Ok(EMPTY)
    assert asked(f"{name}/svc/web") == Ok(NEG)
    assert asked(name) == Ok(NEG)
    assert asked(f"{name}/$") == Ok(NEG)


def test_many_global_namers_in_a_row_do_not_recurse() -> None:
    assert asked("/$/com.twitter.finagle.namer.global" * 5_000 + "/$/nil") == Ok(EMPTY)


def rewritten(pattern: str, name: str, path: str) -> str:
    state = RewriteNamer(Path.of("#", "r"), pattern, name).lookup(read_path(path)).state
    assert isinstance(state, Ok)
    return str(state.value)


@pytest.mark.parametrize(
    ("pattern", "name", "path", "wanted"),
    [
        ("/{svc}/api", "/srv/{svc}", "/web/api/r", "/srv/web"),
        ("/{a}-{b}", "/{a}/{b}", "/x-y-z", "/x-y/z"),
        ("/{a}:http", "/{a}", "/web:https", "/web"),
        ("/{n}.io", "/s/{n}", "/shopxio", "~"),
        ("/a-{my-key}", "/x", "/a-b", "~"),
        ("/{a}/{a}", "/{a}", "/x/y", "/y"),
        ("/{a}", "/{a}", r"/\x2f", r"/\x2f"),
        ("/a//b", "/x", "/a/b", "~"),
        ("//a", "/x", "/a", "/x"),
        ("", "/x", "/a", "/x"),
        ("/a", "/x", "/", "~"),
    ],
)
def test_a_pattern_rewrites(pattern: str, name: str, path: str, wanted: str) -> None:
    assert rewritten(pattern, name, path) == wanted


@pytest.mark.parametrize("pattern", ["/{a.b}", "/({a}"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        RewriteNamer(Path.of("#", "r"), pattern, "/x")


@pytest.mark.parametrize(
    ("pattern", "name", "path"), [("/a/*", "/x", "/a"), ("/{a}", "x{a}", "/a")]
)
def test_a_rewriter_throws_what_the_original_throws(pattern: str, name: str, path: str) -> None:
    namer = RewriteNamer(Path.of("#", "r"), pattern, name)
    assert namer.prefix == Path.of("#", "r")
    with pytest.raises(InvalidName):
        namer.lookup(read_path(path))


def on(node: str, ip: str, port: int = 80) -> Endpoint:
    return Endpoint(ip, port, meta=(("nodeName", node),))


def bound(*endpoints: Endpoint) -> tuple[Bound, Source[Addr]]:
    source = Source[Addr](Ok(ReplicaSet(endpoints)))
    return Bound(read_path("/#/n/web"), read_path("/r"), addr=source), source


def now(name: Bound) -> State[Addr]:
    return name.addr.state


def test_the_daemonset_sends_each_endpoint_through_its_subnets_gateway() -> None:
    gateways = Source[Addr]()
    transformer = K8sDaemonsetTransformer(
        read_path("/default/incoming/l5d"), gateways, host_network=False
    )
    web, addrs = bound(Endpoint("10.0.1.5", 80), Endpoint("10.0.1.6", 80), Endpoint("::1", 80))
    moved = transformer.transform(web)
    assert str(moved) == "</%/io.l5d.k8s.daemonset/default/incoming/l5d/#/n/web|/r>"
    assert now(moved) == PENDING  # no gateway is known yet
    one, two = Endpoint("10.0.1.250", 4141), Endpoint("10.0.2.250", 4141)
    gateways.set(Ok(ReplicaSet((one, two))))
    assert now(moved) == Ok(ReplicaSet((one,)))
    addrs.set(Ok(ReplicaSet((Endpoint("10.0.2.5", 80),))))
    assert now(moved) == Ok(ReplicaSet((two,)))
    addrs.set(Ok(ReplicaSet((Endpoint("10.0.3.5", 80),))))
    assert now(moved) == Ok(AddrNeg())
    gateways.set(Ok(AddrNeg()))
    assert now(moved) == Ok(AddrNeg())
    addrs.set(Ok(AddrNeg()))
    assert now(moved) == Ok(AddrNeg())


def test_on_the_hosts_network_nodes_are_told_by_name_and_two_unnamed_ones_agree() -> None:
    gateways = Source[Addr](Ok(ReplicaSet((on("n1", "1.1.1.1"), Endpoint("2.2.2.2", 80)))))
    transformer = K8sDaemonsetTransformer(read_path("/ns/p/s"), gateways, host_network=True)
    named, _ = bound(on("n1", "10.0.1.5"))
    assert transformer.transform(named).addr.state == Ok(ReplicaSet((on("n1", "1.1.1.1"),)))
    unnamed, _ = bound(Endpoint("10.0.1.5", 80))
    assert transformer.transform(unnamed).addr.state == Ok(ReplicaSet((Endpoint("2.2.2.2", 80),)))


HERE, THERE = on("n1", "10.0.1.5"), on("n2", "10.0.2.5")


@pytest.mark.parametrize(
    ("transformer", "prefix"),
    [
        (SubnetLocalTransformer("10.0.1.250"), "/%/io.l5d.k8s.localnode/10.0.1.250"),
        (NodeLocalTransformer("n1"), "/%/io.l5d.k8s.localnode/n1"),
        (LocalnodeTransformer("10.0.1.0/24", "n1"), "/%/io.weir.localnode/n1"),
        (localhost(["10.0.1.5"]), "/%/io.l5d.localhost"),
        (specific_host("10.0.1.5", Path.of("%", "mine")), "/%/mine"),
    ],
)
def test_a_filter_keeps_what_is_here_and_of_nothing_makes_neg(
    transformer: SubnetLocalTransformer, prefix: str
) -> None:
    web, addrs = bound(HERE, THERE)
    kept = transformer.transform(web)
    assert str(kept) == f"<{prefix}/#/n/web|/r>"
    assert kept.addr.state == Ok(ReplicaSet((HERE,)))
    addrs.set(Ok(ReplicaSet((THERE, Endpoint("no address", 1)))))
    assert kept.addr.state == Ok(AddrNeg())
    addrs.set(Ok(AddrNeg()))
    assert kept.addr.state == Ok(AddrNeg())


def test_equal_results_of_a_new_port_merge_and_metadata_stays() -> None:
    transformer = PortTransformer(4141)
    web, _ = bound(on("n1", "10.0.1.5", 80), on("n1", "10.0.1.5", 81), HERE)
    assert transformer.transform(web).addr.state == Ok(ReplicaSet((on("n1", "10.0.1.5", 4141),)))


def test_names_that_share_addresses_share_the_mapped_ones() -> None:
    transformer = PortTransformer(4141)
    web, _ = bound(HERE)
    other = Bound(read_path("/#/n/web"), addr=web.addr)
    first = transformer.transform(web)
    assert transformer.transform(other).addr is first.addr


def test_a_node_needs_a_range() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        Node.of("10.0.0.1", "pods")


def test_an_endpoint_prints_as_an_address() -> None:
    assert [str(HERE), str(Endpoint("::1", 80))] == ["10.0.1.5:80", "[::1]:80"]
