import json
import time
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtab import (
    FAIL,
    Alt,
    Dtab,
    Leaf,
    NameTree,
    Path,
    Union,
    Weighted,
    leafs,
    read_dtab,
    read_path,
    read_tree,
    show,
)
from naming.bind import NODES_MAX, STEPS_MAX, BoundTree, bind
from naming.bound import Bound
from naming.delegate import delegate
from naming.delegator import to_json
from naming.endpoint import Endpoint, ReplicaSet
from naming.errors import InvalidName, MaxDepth, NamingError, SizeExceeded, StepsExceeded
from naming.namer import Name
from naming.state import PENDING, Failed, Ok, Pending, State
from naming.system import SystemNamers
from naming.watch import Always, Source, Watch
from tests.kits.static_namer import StaticNamer
from tests.kits.tables import TableNamer, TableResolver
from tests.kits.trees import dtabs, paths

FS = Path.of("#", "fs")
NAMERS = (
    TableNamer(
        FS,
        [
            {"match": "/web", "gives": "bound"},
            {"match": "/users", "gives": "bound"},
            {"match": "/slow", "gives": "pending"},
            {"match": "/broken", "gives": "failed"},
        ],
    ),
    SystemNamers(TableResolver()),
)
BAD = "/$/io.buoyant.hostportPfx/x/:80"


def bound(table: str, path: str) -> State[BoundTree]:
    return bind(read_path(path), read_dtab(table), NAMERS).state


def tree_text(state: State[BoundTree]) -> str:
    assert isinstance(state, Ok)
    return str(state.value)


def test_the_worked_example_binds_as_the_reference_says() -> None:
    state = bound(
        """/svc     => /#/fs ;
           /svc/web => 0.9*/#/fs/web & 0.1*/canary ;
           /canary  => /#/k8s/none | /#/fs/users""",
        "/svc/web/cart",
    )
    assert tree_text(state) == "0.90*</#/fs/web|/cart> & 0.10*</#/fs/users|/cart>"


def test_a_tree_binds_as_a_path_does() -> None:
    tree = read_tree("/nope | /#/fs/web")
    assert tree_text(bind(tree, Dtab(), NAMERS).state) == "</#/fs/web|/>"


def test_a_thrown_error_takes_its_tree_along_not_its_branch() -> None:
    assert bound(f"/s => {BAD} & /#/fs/web", "/s") == Failed(
        InvalidName("empty label in the answer of io.buoyant.hostportPfx to /x/:80")
    )
    assert tree_text(bound(f"/s => /t & /#/fs/web; /t => {BAD}", "/s")) == "</#/fs/web|/>"


def test_a_thrown_error_behind_a_neg_fails_only_its_alt() -> None:
    # The original begins a second alternative inside the alt's own answer, not the name's.
    state = bound(f"/s => (/nope | {BAD}) & /#/fs/web", "/s")
    assert tree_text(state) == "</#/fs/web|/>"
    assert isinstance(bound(f"/s => ({BAD} | /nope) & /#/fs/web", "/s"), Failed)


def test_a_name_that_throws_at_the_top_fails() -> None:
    assert isinstance(bound("", BAD), Failed)


def test_pending_stops_an_alt_and_drops_out_of_a_union() -> None:
    assert bound("/s => /#/fs/slow | /#/fs/web", "/s") == PENDING
    assert tree_text(bound("/s => /#/fs/slow & /#/fs/web", "/s")) == "</#/fs/web|/>"


def test_a_lone_loop_names_the_depth() -> None:
    state = bound("/a => /a", "/a")
    assert state == Failed(MaxDepth(100))
    assert isinstance(state, Failed)
    assert str(state.error) == "Max recursion level: 100 reached in Namer lookup"


def test_the_depth_is_a_setting() -> None:
    table = read_dtab("/a => /b; /b => /c; /c => /#/fs/web")
    path = read_path("/a")
    assert isinstance(bind(path, table, NAMERS, depth_max=4).state, Ok)
    assert bind(path, table, NAMERS, depth_max=3).state == Failed(MaxDepth(3))


@pytest.mark.parametrize(
    "table",
    [
        "/a => /a & /a",
        "/a => /a | /a",
        "/a => /a & /a & /#/fs/web",
        "/a => (/a & /#/fs/web) | /a",
        "/a => /a/x & /a/y & /#/fs/web",
        "/a => /a/x | ~ & /a/y",
        "/ => /a & /b",
        "/a/* => /a & /a/x",
        "/a => (/a & (/a | (/a & /#/fs/users))) & /#/fs/web",
    ],
)
def test_every_loop_ends_soon_and_names_its_limit(table: str) -> None:
    start = time.process_time()
    state = bound(table, "/a/x")
    assert time.process_time() - start < 2.0
    if isinstance(state, Failed):
        assert isinstance(state.error, MaxDepth | StepsExceeded | SizeExceeded)
        assert " reached in Namer lookup" in str(state.error)
    else:
        assert isinstance(state, Ok)
        assert sum(1 for _ in leafs(state.value)) <= NODES_MAX
    told = delegate(read_path("/a/x"), read_dtab(table), NAMERS).state
    assert isinstance(told, Ok | Failed)
    assert time.process_time() - start < 6.0


def test_a_bound_tree_that_would_explode_is_refused() -> None:
    state = bound("/a => /a & /a & /#/fs/web", "/a")
    assert state == Failed(SizeExceeded(NODES_MAX))


def test_ten_thousand_alternatives_are_within_the_budget() -> None:
    table = read_dtab(";".join(["/s => /#/fs/web", *(f"/s => /n{n}" for n in range(9_000))]))
    assert tree_text(bind(read_path("/s"), table, NAMERS).state) == "</#/fs/web|/>"


def test_more_than_the_budget_is_refused_by_name() -> None:
    table = read_dtab(";".join(f"/s => /n{n}" for n in range(STEPS_MAX)))
    assert bind(read_path("/s"), table, NAMERS).state == Failed(StepsExceeded(STEPS_MAX))


def test_a_megabyte_of_dtab_is_read_and_bound() -> None:
    text = "/svc => /#/fs ;\n" + "".join(
        f"/svc/s{n}/* => 0.5*/host/s{n} & 0.5*/host/t{n} | ~ ;\n" for n in range(22_000)
    )
    assert len(text) > 1_000_000
    table = read_dtab(text)
    assert tree_text(bind(read_path("/svc/web"), table, NAMERS).state) == "</#/fs/web|/>"


def test_deeply_nested_results_can_be_compared_and_shown() -> None:
    state = bound("/a => 0.5*/a & 0.5*/#/fs/users", "/a")
    assert isinstance(state, Ok)
    assert state == bound("/a => 0.5*/a & 0.5*/#/fs/users", "/a")
    assert show(read_tree("/x")) == "/x"
    assert str(state.value).count("users") > 90
    deep = "(" * 1_000 + "/a & /a" + ") & /a" * 1_000
    assert isinstance(bound(f"/s => {deep}; /a => /#/fs/web", "/s"), Ok)


@given(dtabs, paths)
def test_binding_any_table_ends_and_holds_no_alts(table: Dtab, path: Path) -> None:
    state = bind(path, table, NAMERS).state
    if isinstance(state, Ok):
        assert " | " not in str(state.value)
        assert all(isinstance(leaf, Bound) for leaf in leafs(state.value))


@settings(max_examples=25)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.data())
def test_delegating_any_loops_ends(names: list[str], data: st.DataObject) -> None:
    tree = st.sampled_from(["/a", "/b", "/c", "/a & /b", "/b | /c", "/#/fs/web", "~", "!"])
    table = read_dtab(";".join(f"/{name} => {data.draw(tree)}" for name in names))
    told = delegate(read_path("/a"), table, NAMERS).state
    if isinstance(told, Ok):
        assert to_json(told.value)["path"] == "/a"
    else:
        assert isinstance(told, Failed)
        assert isinstance(told.error, NamingError)


def test_the_watches_that_were_read_are_told() -> None:
    namer = StaticNamer(FS, {Path.of("web"): ReplicaSet((Endpoint("10.0.0.1", 80),))})
    binding = bind(read_path("/s"), read_dtab("/s => /#/fs/gone | /#/fs/web"), [namer])
    assert set(binding.watches) == {namer.lookup(Path.of("gone")), namer.lookup(Path.of("web"))}


class Thrower:
    """Answers neg, or throws."""

    def __init__(self, prefix: str, *, throws: bool) -> None:
        self.prefix = read_path(prefix)
        self._throws = throws

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        if self._throws:
            raise InvalidName(str(path))
        return Source()


def test_an_error_behind_another_namers_neg_is_an_answer() -> None:
    neg = TableNamer(read_path("/#"), [])
    thrower = Thrower("/#/t", throws=True)
    fs = TableNamer(FS, [{"match": "/web", "gives": "bound"}])
    table = read_dtab("/s => /#/t/x & /#/fs/web")
    assert isinstance(bind(read_path("/s"), table, [thrower, fs]).state, Failed)
    state = bind(read_path("/s"), table, [neg, thrower, fs]).state
    assert tree_text(state) == "</#/fs/web|/>"


def test_a_source_that_has_nothing_yet_is_pending() -> None:
    state = bind(read_path("/#/t/x"), Dtab(), [Thrower("/#/t", throws=False)]).state
    assert isinstance(state, Pending)


def test_a_bound_leaf_in_a_namers_tree_is_kept() -> None:
    leaf: NameTree[Name] = Leaf(Bound(FS, addr=Always(PENDING)))
    assert str(leaf) == "</#/fs|/>"


WEB_LEAF = Leaf(read_path("/#/fs/web"))


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        (Alt(()), "~"),
        (Union(()), "~"),
        (Alt((WEB_LEAF,)), "</#/fs/web|/>"),
        (Union((Weighted(0.3, WEB_LEAF),)), "</#/fs/web|/>"),
        (Union((Weighted(1.0, Alt(())), Weighted(1.0, WEB_LEAF))), "</#/fs/web|/>"),
    ],
)
def test_nodes_that_no_text_gives_bind_as_their_child_or_neg(
    tree: NameTree[Path], wanted: str
) -> None:
    assert tree_text(bind(tree, Dtab(), NAMERS).state) == wanted


class Answering:
    """A namer with one answer."""

    def __init__(self, tree: NameTree[Name]) -> None:
        self.prefix = Path.of("#", "one")
        self._tree = tree

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        del path
        return Always(Ok(self._tree))


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        (Alt(()), {"type": "neg", "path": "/#/one"}),
        (Union(()), {"type": "neg", "path": "/#/one"}),
        (
            Alt((Leaf(read_path("/x")),)),
            {"type": "delegate", "path": "/#/one", "delegate": {"type": "neg", "path": "/x"}},
        ),
        (
            Union((Weighted(2.0, FAIL),)),
            {"type": "delegate", "path": "/#/one", "delegate": {"type": "fail", "path": "/#/one"}},
        ),
        (
            Union((Weighted(inf, FAIL), Weighted(1.0, Leaf(read_path(BAD))))),
            None,
        ),
    ],
)
def test_a_namers_odd_trees_are_told(tree: NameTree[Name], wanted: object) -> None:
    state = delegate(Path.of("#", "one"), Dtab(), [Answering(tree), *NAMERS]).state
    if wanted is None:
        assert isinstance(state, Failed)  # what throws breaks the tree that it stands in
    else:
        assert isinstance(state, Ok)
        assert to_json(state.value) == wanted


def test_an_infinite_weight_is_text_in_json() -> None:
    table = read_dtab("/s => " + "9" * 400 + " * /#/fs/web & 1*/#/fs/users")
    state = delegate(read_path("/s"), table, NAMERS).state
    assert isinstance(state, Ok)
    assert [part["weight"] for part in to_json(state.value)["union"]] == ["Infinity", 1.0]


def test_an_error_thrown_below_a_name_is_told_at_the_branch_above() -> None:
    table = read_dtab(f"/s => /t | /#/fs/web; /t => {BAD}")
    state = delegate(read_path("/s"), table, NAMERS).state
    assert isinstance(state, Ok)
    told = to_json(state.value)
    assert [part["type"] for part in told["alt"]] == ["exception", "leaf"]
    assert told["alt"][0]["path"] == "/s"
    lone = delegate(read_path(BAD), Dtab(), NAMERS).state
    assert isinstance(lone, Failed)


def test_an_error_behind_a_neg_and_a_failed_namer_are_told() -> None:
    neg = TableNamer(read_path("/#"), [])
    thrower = Thrower("/#/t", throws=True)
    table = read_dtab("/s => /#/t/x | /#/fs/broken")
    state = delegate(read_path("/s"), table, [neg, thrower, *NAMERS]).state
    assert isinstance(state, Ok)
    assert [part["type"] for part in to_json(state.value)["alt"]] == ["exception", "exception"]


def test_nesting_that_no_reader_follows_is_told() -> None:
    deep = "(" * 300 + "/x & /y" + ") & /y" * 300
    state = delegate(read_path("/s"), read_dtab(f"/s => {deep}"), NAMERS).state
    assert isinstance(state, Ok)
    assert "Max delegation nesting: 200" in json.dumps(to_json(state.value))
