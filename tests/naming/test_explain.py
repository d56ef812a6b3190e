import json
from pathlib import Path as File

import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

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
from weir.commands.dtab import app

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


@pytest.fixture
def folder(tmp_path: File) -> File:
    (tmp_path / "disco").mkdir()
    (tmp_path / "disco" / "web").write_text("10.0.0.1 80\n")
    (tmp_path / "base.dtab").write_text(
        "# all services\n/svc => /#/io.l5d.fs ; # files\n/svc/old => /svc/web ;\n# the end\n"
    )
    (tmp_path / "bad.dtab").write_text("/a => /b ;\n/c = > /d\n")
    (tmp_path / "names").write_text("# names\n/svc/web\n\n/svc/old\n")
    return tmp_path


def weir(folder: File, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [word.replace("@", f"{folder}/") for word in words])
    return result.exit_code, result.stdout, result.stderr


def test_explain_names_the_file_and_line(folder: File) -> None:
    code, out, _ = weir(folder, "explain", "/svc/old/x", "--dtab", "@base.dtab", "--fs", "@disco")
    assert code == 0
    assert f"at {folder}/base.dtab:3:1" in out
    assert out.endswith("/svc/old/x is bound to </#/io.l5d.fs/web|/x>\n")


def test_explain_writes_the_delegator_tree(folder: File) -> None:
    code, out, _ = weir(
        folder, "explain", "/svc/web", "--local", "/svc/web => !", "--dtab", "@base.dtab", "--json"
    )
    assert code == 0
    assert [part["type"] for part in json.loads(out)["alt"]] == ["fail", "neg"]


def test_a_loop_fails_explain_by_name(folder: File) -> None:
    code, _, err = weir(folder, "explain", "/a", "--local", "/a => /a")
    assert code == 1
    assert err == "/a: Max recursion level: 100 reached in Namer lookup\n"


def test_lint_fails_when_it_finds_something(folder: File) -> None:
    assert weir(folder, "lint", "@base.dtab")[0] == 0
    (folder / "odd.dtab").write_text("/a => /gone\n")
    code, out, err = weir(folder, "lint", "@odd.dtab", "--json")
    assert code == 1
    assert [(f["code"], f["line"], f["col"]) for f in json.loads(out)] == [("never-binds", 1, 1)]
    assert err == f"1 finding in {folder}/odd.dtab\n"
    assert "never-binds: /gone can never bind" in weir(folder, "lint", "@odd.dtab")[1]


def test_diff_lists_what_moves(folder: File) -> None:
    (folder / "new.dtab").write_text("/svc => /#/io.l5d.fs ;\n/svc/old => /svc/new ;\n")
    words = ("diff", "@base.dtab", "@new.dtab", "--names", "@names")
    code, out, err = weir(folder, *words)
    assert code == 0
    assert out == (
        "/svc/old  1 of its traffic moves\n  was /#/io.l5d.fs/web\n  is  /#/io.l5d.fs/new\n"
    )
    assert err == "1 of 2 names go elsewhere\n"
    (move,) = json.loads(weir(folder, *words, "--json", "--fs", "@disco")[1])
    assert move["after"]["shares"] == [{"id": None, "residual": None, "share": 1.0}]


def test_version_is_what_spans_call_a_table(folder: File) -> None:
    (folder / "one.dtab").write_text("# a table\n/a => /b ;\n")
    assert weir(folder, "version", "@one.dtab")[1] == "e6ce6239\n"
    assert weir(folder, "version", "@one.dtab", "--json")[1] == '{"version": "e6ce6239"}\n'
    (folder / "bad.dtab").write_text("/a => ")
    assert weir(folder, "version", "@bad.dtab")[0] == 1


def test_fmt_aligns_and_keeps_comments(folder: File) -> None:
    wanted = (
        "# all services\n/svc      => /#/io.l5d.fs ; # files\n/svc/old  => /svc/web ;\n# the end\n"
    )
    assert weir(folder, "fmt", "@base.dtab")[1] == wanted
    code, out, err = weir(folder, "fmt", "@base.dtab", "--write")
    assert (code, out) == (0, "")
    assert err == f"{folder}/base.dtab: rewritten\n"
    assert (folder / "base.dtab").read_text() == wanted
    assert weir(folder, "fmt", "@base.dtab", "--write")[2] == ""
    assert json.loads(weir(folder, "fmt", "@base.dtab", "--json")[1])[0]["prefix"] == "/svc"


def test_fmt_refuses_to_round_a_weight(folder: File) -> None:
    (folder / "fine.dtab").write_text("/a => 0.005*/b & /c")
    code, out, err = weir(folder, "fmt", "@fine.dtab", "--write")
    assert (code, out) == (1, "")
    assert "more than two decimals" in err
    assert (folder / "fine.dtab").read_text() == "/a => 0.005*/b & /c"


@pytest.mark.parametrize("command", [("lint",), ("fmt",), ("explain", "/x", "--dtab")])
def test_a_bad_table_is_shown_with_a_caret(folder: File, command: tuple[str, ...]) -> None:
    code, _, err = weir(folder, *command, "@bad.dtab")
    assert code == 1
    assert err == f"{folder}/bad.dtab:2:5: '>' expected but ' ' found\n  /c = > /d\n      ^\n"


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "svc"),
        ("explain", "/svc", "--local", "nonsense"),
        ("explain", "/svc", "--fs", "@none"),
        ("explain", "/svc", "--dtab", "@none"),
        ("lint", "@none"),
        ("diff", "@base.dtab", "@base.dtab", "--names", "@bad.dtab"),
        ("lint",),
        ("nonsense",),
    ],
)
def test_misuse_is_told_without_a_traceback(folder: File, words: tuple[str, ...]) -> None:
    code, out, err = weir(folder, *words)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err
