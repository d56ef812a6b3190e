import json

import pytest
from hypothesis import given, settings

from dtab import Dtab, Path, leafs, read_dtab, read_path
from naming.bind import bind
from naming.compare import AnyName, moves
from naming.delegate import delegate
from naming.delegator import to_json
from naming.endpoint import Endpoint, ReplicaSet
from naming.explain import Outcome, explain, lines
from naming.lint import lint
from naming.state import PENDING, Failed, Ok
from naming.system import SystemNamers
from naming.transformers import (
    DaemonsetTransformer,
    LocalnodeTransformer,
    Node,
    PortTransformer,
    SubnetLocalTransformer,
)
from tests.kits.static_namer import StaticNamer
from tests.kits.tables import TableNamer, TableResolver
from tests.kits.trees import dtabs, paths

WEB = ReplicaSet((Endpoint("10.0.0.1", 80),))
NAMERS = (
    StaticNamer(Path.of("#", "fs"), {Path.of("web"): WEB, Path.of("users"): WEB}),
    SystemNamers(TableResolver()),
)
OUTCOMES = {"~": Outcome.NEG, "!": Outcome.FAIL, "$": Outcome.EMPTY}


def told(table: str, path: str) -> list[str]:
    state = explain(read_path(path), read_dtab(table), NAMERS)
    assert isinstance(state, Ok)
    return list(lines(state.value))


def bound(name: str) -> str:
    return f"bound to /#/fs/{name}, residual /r: 10.0.0.1:80"


def test_every_way_is_told_with_its_dentry_share_and_reason() -> None:
    table = "/svc => /#/fs ;\n/svc/web => 3*/#/fs/web & 1*/gone | /#/fs/users ;\n/svc/web => /nope"
    answered = "[not reached: an alternative before it answered]"
    by = "by /svc/web => 3.00*/#/fs/web & /gone | /#/fs/users at 2:1"
    assert told(table, "/svc/web/r") == [
        "/svc/web/r  [1 of the traffic]",
        "├─ /nope/r  by /svc/web => /nope at 3:1  [neg: nothing there]",
        f"├─ /svc/web/r  {by}  [1 of the traffic]",
        f"│  ├─ 3.00*/#/fs/web/r  {by}  {bound('web')}  [1 of the traffic]",
        f"│  └─ /gone/r  {by}  [neg: nothing there]",
        f"├─ /#/fs/users/r  {by}  {bound('users')}  {answered}",
        f"└─ /#/fs/web/r  by /svc => /#/fs at 1:1  {bound('web')}  {answered}",
    ]


def test_a_lone_neg_is_told_as_it_binds_not_as_the_delegator_shows_it() -> None:
    assert told("/#/fs/web => ~", "/#/fs/web") == [
        "/#/fs/web  [1 of the traffic]",
        "├─ ~  by /#/fs/web => ~ at 1:1  [neg: nothing there]",
        "└─ /#/fs/web  bound to /#/fs/web: 10.0.0.1:80  [1 of the traffic]",
    ]


def test_a_loop_is_told_once() -> None:
    found = told("/a => /b | /#/fs/web; /b => /a", "/a")
    assert len(found) < 10
    assert any("a loop: the same name by the same dentry is above" in line for line in found)


def test_a_weight_of_nothing_is_a_reason() -> None:
    found = told("/s => 0*/#/fs/web & 1*/#/fs/users", "/s")
    assert found[1].endswith("[its weight is 0]")


@settings(max_examples=40)
@given(dtabs, paths)
def test_the_explanation_ends_where_binding_does(table: Dtab, path: Path) -> None:
    bound = bind(path, table, NAMERS).state
    state = explain(path, table, NAMERS)
    if not isinstance(state, Ok):
        # A limit of the explanation, which follows every way; or the name's own failure.
        assert isinstance(state, Failed)
        return
    outcome = state.value.outcome
    if isinstance(bound, Ok):
        if any(True for _ in leafs(bound.value)):
            wanted = Outcome.BOUND
        else:
            wanted = OUTCOMES.get(str(bound.value), Outcome.EMPTY)
        assert outcome is wanted
    else:
        assert outcome is Outcome.FAILED


def test_a_transformer_is_shown_before_and_after() -> None:
    state = delegate(
        read_path("/svc/web/x"), read_dtab("/svc=>/#/fs"), NAMERS, [PortTransformer(4141)]
    ).state
    assert isinstance(state, Ok)
    end = {"type": "bound", "addrs": [{"ip": "10.0.0.1", "port": 80, "meta": {}}], "meta": {}}
    moved = {"type": "bound", "addrs": [{"ip": "10.0.0.1", "port": 4141, "meta": {}}], "meta": {}}
    port_id = "/%/io.l5d.port/4141/#/fs/web"
    got = to_json(state.value)
    assert got == {
        "type": "delegate",
        "path": "/svc/web/x",
        "delegate": {
            "type": "transformation",
            "path": "/#/fs/web/x",
            "name": "DelegatingNameTreeTransformer$",
            "bound": {"addr": end, "id": "/#/fs/web", "path": "/x"},
            "tree": {
                "type": "leaf",
                "path": port_id,
                "dentry": {"prefix": "/svc", "dst": "/#/fs"},
                "bound": {"addr": moved, "id": port_id, "path": "/x"},
            },
        },
    }
    assert list(got["delegate"]) == ["type", "path", "name", "bound", "tree"]


def test_transformers_stack_in_a_delegation_and_reach_every_branch() -> None:
    transformers = [PortTransformer(1), PortTransformer(2)]
    table = read_dtab("/s => 0.5*/#/fs/web & 0.5*/$/nosuch ; /s => /#/fs/gone | !")
    state = delegate(read_path("/s"), table, NAMERS, transformers).state
    assert isinstance(state, Ok)
    text = json.dumps(to_json(state.value))
    assert "/%/io.l5d.port/2/%/io.l5d.port/1/#/fs/web" in text
    assert "Unknown namer: nosuch for path: /$/nosuch" in text
    assert '"path": "!"' in text


def test_delegation_waits_for_what_is_pending() -> None:
    slow = TableNamer(Path.of("#", "s"), [{"match": "/x", "gives": "pending"}])
    found = delegate(read_path("/s"), read_dtab("/s => /#/fs/web | /#/s/x"), [*NAMERS, slow])
    assert found.state == PENDING
    assert len(found.watches) == 2


def test_our_own_transformers_keep_to_their_nodes() -> None:
    pods = ReplicaSet((Endpoint("127.1.0.5", 80), Endpoint("127.1.0.6", 80)))
    namer = StaticNamer(Path.of("#", "fs"), {Path.of("web"): pods})
    nodes = [Node.of("127.0.0.1", "127.1.0.0/24"), Node.of("127.0.0.2", "127.2.0.0/24")]
    transformers = [
        DaemonsetTransformer(nodes, 4141),
        LocalnodeTransformer("127.0.0.0/24", "n1"),
        SubnetLocalTransformer("10.9.9.9"),
    ]
    state = delegate(read_path("/#/fs/web"), Dtab(), [namer], transformers).state
    assert isinstance(state, Ok)
    tree = to_json(state.value)["tree"]
    daemonset = {
        "addr": {
            "type": "bound",
            "addrs": [{"ip": "127.0.0.1", "port": 4141, "meta": {}}],
            "meta": {},
        },
        "id": "/%/io.weir.daemonset/4141/#/fs/web",
        "path": "/",
    }
    assert tree["bound"] == daemonset
    assert tree["tree"]["bound"]["id"] == (
        "/%/io.weir.localnode/n1/%/io.weir.daemonset/4141/#/fs/web"
    )
    assert tree["tree"]["tree"]["bound"]["addr"] == {"type": "neg"}


def codes(table: str) -> list[tuple[str, str]]:
    return [(str(finding.place), finding.code) for finding in lint(read_dtab(table))]


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ("/a => /#/n ; /a => !", "unreachable"),
        ("/a/b => /#/n ; /a => /x | $ ; /x => /#/n", "unreachable"),
        ("/a => /#/n ; /a => /#/n", "unreachable"),
        ("/a => /#/n ; /* => /$/inet/h/80", "unreachable"),
        ("/svc/web => /#/n ; /svc/* => /#/m", "shadow"),
        ("/svc/web => /#/n ; /svc => /#/m", "shadow"),
        ("/a => ~", "idle"),
        ("/a => /gone", "never-binds"),
        ("/a => /#/n | /$/nosuch", "never-binds"),
        ("/a => /$/inet/h/http", "never-binds"),
        ("/a => /a", "cycle"),
    ],
)
def test_an_oddity_is_found_at_its_dentry(table: str, code: str) -> None:
    assert ("1:1", code) in codes(table)


@pytest.mark.parametrize(
    "table",
    [
        "/svc => /#/io.l5d.fs",
        "/svc => /#/n ; /svc/web => /#/n/a | /#/n/b ; /svc/web/* => !",
        "/host => /$/io.buoyant.http.domainToPathPfx/domain ; /domain/io/* => /#/n ; /svc => /host",
        "/a => /$/inet/127.1/80 & /$/inet ; /a/x => 0.5*/#/n & 0.5*$",
        "/a/b => /a ; /a => /#/n/a | ~",
        "/ph => /$/io.buoyant.rinet ; /x => /$/com.twitter.finagle.namer.global/$/nil ; /y => /$",
        "/b/*/c => /#/n ; /a => /b",
    ],
)
def test_a_sound_table_has_no_oddities(table: str) -> None:
    assert [(str(f.place), f.code) for f in lint(read_dtab(table)) if f.code != "shadow"] == []


def test_a_longer_loop_is_told_once_with_its_way() -> None:
    found = [f for f in lint(read_dtab("/a => /b ; /b => /c/x ; /c => /a")) if f.code == "cycle"]
    assert [f.message for f in found] == ["names loop: /a -> /b -> /c -> /a"]


def test_moves_are_told_with_their_share() -> None:
    before = read_dtab("/svc/web => 0.9*/#/fs/a & 0.1*/#/fs/b ; /svc/x => /#/fs/x ; /l => /l")
    after = read_dtab("/svc/web => 0.5*/#/fs/a & 0.5*/#/fs/b ; /svc/x => /#/fs/x ; /l => !")
    names = [read_path(name) for name in ("/svc/web", "/svc/x", "/l")]
    found = moves(before, after, names, [AnyName()])
    assert [(str(move.name), round(move.moved, 6)) for move in found] == [
        ("/svc/web", 0.4),
        ("/l", 1.0),
    ]
    assert str(found[0].after) == "0.5 /#/fs/a & 0.5 /#/fs/b"
    assert str(found[1].after) == "no hosts"
