"""The table of attacks is whole, and what it names is there."""

from __future__ import annotations

import ast
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from tests.edge.test_steering import CASES

HOUSE = Path(__file__).parents[2]
ATTACKS = tomllib.loads(Path(__file__).with_name("attacks.toml").read_text())
NAMES = [case.name for case in CASES]


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((HOUSE / file).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_no_attack_is_forgotten() -> None:
    assert set(map(int, ATTACKS)) == {*range(57, 83), *range(98, 107)}


@pytest.mark.parametrize("number", ATTACKS)
def test_an_attack_has_its_cases(number: str) -> None:
    attack = ATTACKS[number]
    attempts, tests = attack.get("attempts", []), attack.get("tests", [])
    assert attempts or tests or attack.get("elsewhere")
    for pattern in attempts:
        assert any(fnmatchcase(name, pattern) for name in NAMES), pattern
    for test in tests:
        file, _, name = test.partition("::")
        assert name in functions(file), test
