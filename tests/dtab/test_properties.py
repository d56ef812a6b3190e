import pickle
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtab import (
    NEG,
    Alt,
    Dtab,
    DtabSyntaxError,
    NameTree,
    Path,
    Prefix,
    equivalent,
    evaluate,
    read_dtab,
    read_path,
    read_prefix,
    read_tree,
    show,
    show_aligned,
    simplify,
)
from dtab.lookup import SCAN_MAX
from tests.kits.trees import dtabs, noise, paths, prefixes, trees


def scan(table: Dtab, path: Path) -> NameTree[Path]:
    """The model of lookup: compare every entry, last one first."""
    found = [entry.rewrite(path) for entry in reversed(table.entries) if entry.prefix.matches(path)]
    if not found:
        return NEG
    return found[0] if len(found) == 1 else Alt(tuple(found))


@given(paths)
def test_a_printed_path_reads_back(path: Path) -> None:
    assert read_path(show(path)) == path


@given(prefixes)
def test_a_printed_prefix_reads_back(prefix: Prefix) -> None:
    assert read_prefix(show(prefix)) == prefix


@given(trees)
def test_a_printed_tree_reads_back(tree: NameTree[Path]) -> None:
    assert read_tree(show(tree)) == tree
    assert hash(read_tree(show(tree))) == hash(tree)


@given(dtabs)
def test_a_printed_table_reads_back(table: Dtab) -> None:
    assert read_dtab(show(table)) == table
    assert read_dtab(show_aligned(table)) == table


ELEM = r"(?:\*|[0-9A-Za-z_:.#$%\\-]+)"
TOKEN = re.compile(rf"/(?:{ELEM}(?:/{ELEM})*)?|=>|[;|&()*~!$]|[0-9.]+")


@given(dtabs, st.data())
def test_blanks_and_comments_change_nothing(table: Dtab, data: st.DataObject) -> None:
    tokens = TOKEN.findall(show(table))
    assert "".join(tokens) == show(table).replace(" ", "")
    # A blank behind each token first: a comment's # right behind a label would join it.
    text = "".join(f"{data.draw(noise)} {token} " for token in tokens)
    assert read_dtab(text + data.draw(noise)) == table


@given(trees)
def test_simplifying_changes_no_outcome(tree: NameTree[Path]) -> None:
    simple = simplify(tree)
    assert evaluate(simple) == evaluate(tree)
    assert equivalent(simple, tree)
    assert simplify(simple) == simple


@given(dtabs, paths)
def test_the_index_finds_what_a_scan_finds(table: Dtab, path: Path) -> None:
    assert table.lookup(path) == scan(table, path)


@given(dtabs, dtabs, dtabs, paths)
def test_joined_tables_are_one_table(a: Dtab, b: Dtab, c: Dtab, path: Path) -> None:
    joined, whole = a + b + c, Dtab((*a, *b, *c))
    assert joined == whole
    assert joined == a + (b + c)
    assert hash(joined) == hash(whole) == hash(a + (b + c))
    assert len(joined) == len(whole)
    assert joined.lookup(path) == whole.lookup(path)


@given(st.lists(prefixes, min_size=SCAN_MAX + 1, max_size=40), paths)
def test_a_large_table_is_indexed_and_finds_the_same(found: list[Prefix], path: Path) -> None:
    table = read_dtab(";".join(f"{prefix}=>/{number}" for number, prefix in enumerate(found)))
    assert table.lookup(path) == scan(table, path)


def refusal(read: Callable[[str], object], text: str) -> DtabSyntaxError | None:
    """The error with which the text is refused, if it is."""
    try:
        read(text)
    except DtabSyntaxError as error:
        return error
    return None


@given(st.text())
def test_any_text_reads_or_is_refused_with_a_place(text: str) -> None:
    for read in (read_path, read_prefix, read_tree, read_dtab):
        error = refusal(read, text)
        if error is not None:
            assert 0 <= error.at <= len(text)
            assert error.display("f").startswith(f"f:{error.line}:{error.col}: ")


@given(st.text(st.sampled_from("/ab#$~!|&()*=>;. \n\\x41"), max_size=40))
def test_text_that_looks_like_a_table_reads_or_is_refused(text: str) -> None:
    error = refusal(read_dtab, text)
    if error is None:
        assert read_dtab(show(read_dtab(text))) == read_dtab(text)
    else:
        assert str(error).endswith("'")


@given(paths, paths)
def test_what_is_put_together_comes_apart(a: Path, b: Path) -> None:
    whole = a + b
    assert whole.starts_with(a)
    assert whole.drop(len(a)) == b
    assert whole.take(len(a)) == a
    assert pickle.loads(pickle.dumps(whole)) == whole  # noqa: S301 - our own bytes


@pytest.mark.parametrize("open_", ["(", "/a & (", "/a | (", "0.5*("])
def test_deep_nesting_neither_recurses_nor_hangs(open_: str) -> None:
    depth = 4_000
    tree = read_tree(open_ * depth + "/x" + ")" * depth)
    assert read_tree(show(tree)) == tree
    assert hash(tree) == hash(read_tree(show(tree)))
    assert evaluate(simplify(tree)) == evaluate(tree)
    assert len(repr(tree)) > 0


def test_too_many_open_parentheses_are_refused() -> None:
    with pytest.raises(DtabSyntaxError, match="at most 4000 open parentheses expected"):
        read_tree("(" * 4_001 + "/x" + ")" * 4_001)
