"""Strategies for hypothesis: paths, prefixes, trees and tables, and text with noise in it."""

from hypothesis import strategies as st

from dtab import (
    EMPTY,
    FAIL,
    NEG,
    STAR,
    Alt,
    Dentry,
    Dtab,
    Leaf,
    NameTree,
    Path,
    Prefix,
    Union,
    Weighted,
)

# Mostly labels that meet each other, some that need escapes.
labels = st.one_of(
    st.sampled_from([b"a", b"b", b"c", b"svc", b"#", b"$"]), st.binary(min_size=1, max_size=4)
)
paths = st.lists(labels, max_size=4).map(lambda found: Path(tuple(found)))
prefixes = st.lists(st.one_of(labels, st.just(STAR)), max_size=3).map(
    lambda found: Prefix(tuple(found))
)
# Two decimals, because that is what canonical text keeps.
weights = st.integers(0, 10_000).map(lambda cents: cents / 100)
ends: st.SearchStrategy[NameTree[Path]] = st.one_of(
    paths.map(Leaf), st.sampled_from([NEG, FAIL, EMPTY])
)


def _nodes(parts: st.SearchStrategy[NameTree[Path]]) -> st.SearchStrategy[NameTree[Path]]:
    # Two children at least: text has no node with fewer.
    alts = st.lists(parts, min_size=2, max_size=4).map(lambda found: Alt(tuple(found)))
    branches = st.builds(Weighted, weights, parts)
    unions = st.lists(branches, min_size=2, max_size=4).map(lambda found: Union(tuple(found)))
    return st.one_of(alts, unions)


trees: st.SearchStrategy[NameTree[Path]] = st.recursive(ends, _nodes, max_leaves=12)
dentries = st.builds(Dentry, prefixes, trees)
dtabs = st.lists(dentries, max_size=30).map(Dtab)

# What may stand wherever a blank may: one of each kind, and comments.
blanks = st.text(st.sampled_from(" \t\n\r\u1680\u2003\u2028\u3000\x1c"), max_size=3)
comments = st.text(st.characters(exclude_characters="\n"), max_size=5).map("#{}\n".format)
noise = st.lists(st.one_of(blanks, comments), max_size=3).map("".join)
