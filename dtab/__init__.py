"""The delegation language: paths, name trees, tables. Pure, standard library only."""

from dtab.dentry import Dentry, Dtab, Place, graft
from dtab.parse import read_dtab, read_path, read_prefix, read_tree
from dtab.path import ROOT, STAR, Path, Prefix, Wildcard
from dtab.show import show, show_aligned
from dtab.simplify import equivalent, equivalent_dtabs, evaluate, simplify, simplify_dtab
from dtab.syntax import DtabSyntaxError, WeightError
from dtab.tree import (
    EMPTY,
    FAIL,
    NEG,
    Alt,
    Empty,
    Fail,
    Leaf,
    NameTree,
    Neg,
    Union,
    Weighted,
    fold,
    leafs,
    map_leafs,
)
from dtab.version import version

__all__ = [
    "EMPTY",
    "FAIL",
    "NEG",
    "ROOT",
    "STAR",
    "Alt",
    "Dentry",
    "Dtab",
    "DtabSyntaxError",
    "Empty",
    "Fail",
    "Leaf",
    "NameTree",
    "Neg",
    "Path",
    "Place",
    "Prefix",
    "Union",
    "WeightError",
    "Weighted",
    "Wildcard",
    "equivalent",
    "equivalent_dtabs",
    "evaluate",
    "fold",
    "graft",
    "leafs",
    "map_leafs",
    "read_dtab",
    "read_path",
    "read_prefix",
    "read_tree",
    "show",
    "show_aligned",
    "simplify",
    "simplify_dtab",
    "version",
]
