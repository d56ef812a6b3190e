"""The table of attacks is whole, and everything that it names is there."""

import re
from pathlib import Path

import pytest

from tests.tracing.attacks import ATTACKS

HERE = Path(__file__).parent


def test_every_attack_has_a_line() -> None:
    assert list(ATTACKS) == [1, 56, 91, *range(107, 115)]


@pytest.mark.parametrize("number", ATTACKS)
def test_what_holds_an_attack_is_there(number: int) -> None:
    assert ATTACKS[number].held
    for name in ATTACKS[number].held:
        file, _, test = name.partition("::")
        text = (HERE / file).read_text()
        assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), name
