"""A mesh process answers as Linkerd 1.7.5 did, but where it differs on purpose."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.vectors.linkerd import run_setups
from tests.vectors.linkerd_deviates import DEVIATES
from tests.vectors.linkerd_match import Matcher

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "data" / "linkerd" / "http.json").read_text()
)
# Setups whose YAML is not spoken here.
NOT_SPOKEN = {
    "binding-cache-one",
    "gzip-all",
    "unstreamed",
}


def test_every_recorded_answer_is_given_or_differs_on_purpose() -> None:
    outcomes = asyncio.run(run_setups(VECTORS))
    failed = [one for found in outcomes.values() for one in found if one.supported and one.problem]
    assert failed == []
    missing = {setup for setup, found in outcomes.items() if not all(o.supported for o in found)}
    assert missing == NOT_SPOKEN


def test_every_intended_difference_belongs_to_a_vector() -> None:
    assert DEVIATES.keys() <= {case["name"] for case in VECTORS["cases"]}


@pytest.mark.parametrize(
    ("want", "got", "fits"),
    [
        ("{{id:A}} {{id:A}}", "00000000000000aa 00000000000000aa", True),
        ("{{id:A}} {{id:A}}", "00000000000000aa 00000000000000ab", False),
        ("{{id:A}} {{id:B}}", "00000000000000aa 00000000000000aa", False),
        ("to {{port:web}}", "to 8080", True),
        ("to {{port:web}}", "to 8081", False),
        ("from {{port:client}}", "from 4711", True),
        ("from {{port:any}}", "from 1", True),
        ("by={{label6}}", "by=_a1B2c3", True),
        ("by={{label6}}", "by=_a1B2c", False),
    ],
)
def test_a_placeholder_stands_for_one_value_in_a_case(want: str, got: str, fits: bool) -> None:
    assert Matcher({"web": 8080, "client": 4711}).fits(want, got) is fits
