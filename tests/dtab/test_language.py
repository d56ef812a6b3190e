import pickle
from math import inf

import pytest

from dtab import (
    FAIL,
    NEG,
    Alt,
    Dtab,
    DtabSyntaxError,
    Empty,
    Fail,
    Leaf,
    NameTree,
    Neg,
    Path,
    Place,
    Prefix,
    Union,
    Weighted,
    WeightError,
    equivalent_dtabs,
    leafs,
    read_dtab,
    read_path,
    read_prefix,
    read_tree,
    show,
    show_aligned,
    simplify,
)
from dtab.tree import children, show_weight, with_children


def test_a_later_dentry_wins() -> None:
    assert show(read_dtab("/a=>/1; /a=>/2").lookup(read_path("/a/x"))) == "/2/x | /1/x"


def test_the_length_of_a_prefix_plays_no_part() -> None:
    table = read_dtab("/a/b=>/long; /a=>/short")
    assert show(table.lookup(read_path("/a/b/c"))) == "/short/b/c | /long/c"


def test_every_dentry_knows_its_line_and_column() -> None:
    table = read_dtab("# a comment\n/a => /b ;\n  /c => /d | /e ; /f => /g", "web.dtab")
    assert [entry.place for entry in table] == [
        Place(2, 1, "web.dtab"),
        Place(3, 3, "web.dtab"),
        Place(3, 19, "web.dtab"),
    ]
    assert str(table[0].place) == "web.dtab:2:1"
    assert str(read_dtab("/a=>/b")[0].place) == "1:1"


def test_the_place_takes_no_part_in_equality() -> None:
    assert read_dtab("/a=>/b") == read_dtab("\n\n/a => /b ;")
    assert hash(read_dtab("/a=>/b")) == hash(read_dtab("\n\n/a => /b ;"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/foo=>;;/=", "simple expected but ';' found at '/foo=>[;];/='"),
        ("notadtab", "'/' expected but 'n' found at '[n]otadtab'"),
        ("/a =>", "simple expected but end of input found at '/a =>[]'"),
        ("/a => . * /b", "weight expected but '.' found at '/a => .[ ]* /b'"),
    ],
)
def test_an_error_reads_as_clients_know_it(text: str, message: str) -> None:
    with pytest.raises(DtabSyntaxError) as caught:
        read_dtab(text)
    assert str(caught.value) == message


def test_an_error_shows_its_line_with_a_caret() -> None:
    with pytest.raises(DtabSyntaxError) as caught:
        read_dtab("/a => /b ;\n\t/c = > /d ;\n/e => /f")
    assert caught.value.display("web.dtab") == (
        "web.dtab:2:6: '>' expected but ' ' found\n  \t/c = > /d ;\n  \t    ^"
    )
    assert caught.value.display().startswith("2:6: ")


def test_digits_of_another_script_are_no_weight() -> None:
    with pytest.raises(WeightError) as caught:
        read_tree("/a & \u0663 * /b")
    assert str(caught.value) == 'For input string: "\u0663"'
    assert caught.value.what in caught.value.display()


def test_the_aligned_form_pads_prefixes() -> None:
    table = read_dtab("/svc=>/#/io.l5d.fs;/svc/longer/prefix=>1 * /a & 9 * /b | /c")
    assert show_aligned(table) == (
        "/svc                => /#/io.l5d.fs ;\n/svc/longer/prefix  => /a & 9.00*/b | /c ;\n"
    )
    assert show_aligned(Dtab()) == ""


def test_a_path_is_immutable() -> None:
    path = Path.of("svc", b"web")
    with pytest.raises(AttributeError, match="immutable"):
        path.labels = ()
    assert repr(path) == "Path('/svc/web')"
    assert path.drop(0) is path


def test_a_label_is_never_empty() -> None:
    with pytest.raises(ValueError, match="never empty"):
        Path.of("a", "")


def test_the_root_is_true() -> None:
    assert Path()
    assert Prefix()
    assert len(Path()) == 0


def test_a_prefix_covers_what_it_matches_as_well() -> None:
    star, exact = read_prefix("/svc/*"), Prefix.of("svc", "web")
    assert star.covers(exact)
    assert star.covers(star)
    assert not exact.covers(star)
    assert not star.covers(read_prefix("/svc"))
    assert repr(star) == "Prefix('/svc/*')"
    assert repr(star.elems[1]) == "*"


def test_constants_are_told_apart() -> None:
    assert {Neg(), Fail(), Empty(), NEG} == {NEG, FAIL, Empty()}
    assert Neg() != Fail()
    assert repr(Neg()) == "Neg()"


def test_nodes_without_children_print_what_cannot_be_read() -> None:
    nothing: NameTree[Path] = Alt(())
    branch = Weighted(2.0, nothing)
    assert show(Union((branch, Weighted(1.0, Leaf(read_path("/a")))))) == "2.00*() & /a"
    assert str(branch) == "2.00*"
    assert show(nothing) == ""


def test_a_tree_is_not_equal_to_something_else() -> None:
    tree = read_tree("/a | /b")
    assert tree != "/a | /b"
    assert tree != read_tree("/a & /b")
    assert read_tree("/a & /b") != read_tree("/a & 2*/b")
    assert read_tree("/a | /b") != read_tree("/a | /b | /c")
    assert list(map(str, leafs(read_tree("/a | (/b & ~)")))) == ["/a", "/b"]
    assert repr(tree) == "Alt(</a | /b>)"


def test_a_table_is_a_sequence() -> None:
    table = read_dtab("/a=>/b;/c=>/d;/e=>/f")
    assert str(table[1]) == "/c=>/d"
    assert table[1:] == read_dtab("/c=>/d;/e=>/f")
    assert table != "/a=>/b"
    assert table != read_dtab("/a=>/b")
    assert repr(table[:1]) == "Dtab('/a=>/b')"
    assert table + Dtab() is table
    assert Dtab() + table is table


def test_equal_tables_in_different_parts_are_one_key() -> None:
    a, b, c = read_dtab("/a=>/1"), read_dtab("/b=>/2"), read_dtab("/c=>/3")
    assert {a + b + c: 1}[a + (b + c)] == 1
    assert a + b + c == (a + b) + c


def test_a_broken_escape_is_told_where_it_breaks() -> None:
    for text, expected, at in (
        ("/a/\\y", "'x'", 4),
        ("/a\\x4", "hex char", 5),
        ("/\\x", "hex char", 3),
    ):
        with pytest.raises(DtabSyntaxError) as caught:
            read_path(text)
        assert (caught.value.expected, caught.value.at) == (expected, at)


def test_a_backslash_behind_a_star_ends_the_prefix() -> None:
    with pytest.raises(DtabSyntaxError) as caught:
        read_dtab("/a/*\\x41 => /b")
    assert (caught.value.expected, caught.value.at) == ("'='", 4)


def test_a_prefix_starts_with_a_slash() -> None:
    with pytest.raises(DtabSyntaxError, match="'/' expected"):
        read_prefix("*")


def test_errors_can_be_sent_between_processes() -> None:
    for text in ("/a => 1\u0663 * /b", "/a"):
        with pytest.raises(DtabSyntaxError) as caught:
            read_dtab(text)
        again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
        assert str(again) == str(caught.value)


def test_a_leaf_has_no_children() -> None:
    leaf = Leaf(read_path("/a"))
    assert children(leaf) == ()
    with pytest.raises(TypeError, match="no children"):
        with_children(leaf, [leaf])
    assert simplify(leaf) == leaf
    assert show_weight(inf) == "Infinity*"


def test_tables_of_other_lengths_are_not_equivalent() -> None:
    one, two = read_dtab("/a=>/b"), read_dtab("/a=>/b;/a=>/b")
    assert not equivalent_dtabs(one, two)
    assert equivalent_dtabs(one, read_dtab("/a => /b | ~"))
