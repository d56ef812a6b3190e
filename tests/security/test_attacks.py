"""The table of attacks is whole, and everything that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.security.answers import ANSWERS
from tests.security.attacks import ATTACKS
from tests.security.cases import CASES

HERE = Path(__file__).parent
NAMES = {case.name for case in CASES} | {answer.name for answer in ANSWERS}


def test_every_attack_has_a_line() -> None:
    assert list(ATTACKS) == list(range(1, 57))


@pytest.mark.parametrize("number", ATTACKS)
def test_what_holds_an_attack_is_there(number: int) -> None:
    attack = ATTACKS[number]
    assert attack.held
    for name in attack.held:
        file, found, test = name.partition("::")
        if found:
            assert re.search(rf"^(async )?def {test}\(", (HERE / file).read_text(), re.MULTILINE), (
                name
            )
        else:
            assert name in NAMES, name
