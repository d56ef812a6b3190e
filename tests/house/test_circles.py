"""No module knows one that knows it: every arrow of the house leads down."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from tests.house.test_house import HOUSE, MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def dotted(module: Path) -> str:
    return ".".join(module.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__")


def known(source: str, house: Mapping[str, object]) -> Iterator[str]:
    """The modules that a text imports anywhere in it, also for a type checker alone."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases if alias.name in house)
            case ast.ImportFrom(module=str(module), names=aliases, level=0):
                inside = [f"{module}.{alias.name}" for alias in aliases]
                yield from (one if one in house else module for one in inside)
            case _:
                pass


def circle(house: Mapping[str, str]) -> list[str]:
    """A circle of imports among these texts, by the modules' names; empty: there is none."""
    arrows = {name: set(known(text, house)) & house.keys() - {name} for name, text in house.items()}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_module_knows_one_that_knows_it() -> None:
    found = circle({dotted(one): one.read_text() for one in MODULES})
    assert not found, f"part what both need from one of them: {' <- '.join(found)}"


@pytest.mark.parametrize(
    "back",
    [
        "import a",
        "from a import one",
        "def later() -> None:\n    from a import one",
        "if TYPE_CHECKING:\n    from a import one",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(back: str) -> None:
    house = {"a": "from b.c import two", "b.c": "import d", "d": back}
    assert sorted(set(circle(house))) == ["a", "b.c", "d"]
    assert not circle(house | {"d": ""})
