"""Properties of reading: any text is a value or problems at their places."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from config import ConfigError, Model, load
from tests.config.linker import Linker, Router, Tree

KEYS = st.sampled_from(["routers", "admin", "port", "protocol", "identifier", "kind", "children"])
VALUES: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("5ab~/é {:", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
YAMLISH = st.text(st.sampled_from("ab:-{}[]&*!|>'\"#%@`,?\t\n\r  $\\~0123.x\ud800\u2028\x85é"))


def outcome(model: type[Model], text: str) -> Model | ConfigError:
    try:
        return load(model, text, source="x", env={})
    except ConfigError as error:
        return error


@given(st.text() | YAMLISH, st.sampled_from([Linker, Tree]))
@example("{", Linker)
@example("? ", Linker)
@example("&a : *a", Linker)
@example("!<tag:yaml.org,2002:str> a: 1", Linker)
def test_any_text_gives_a_value_or_problems_in_the_text(text: str, model: type[Model]) -> None:
    found = outcome(model, text)
    if isinstance(found, ConfigError):
        assert str(found)
        assert found.problems
        assert all(1 <= p.line <= len(text) + 1 and p.column >= 1 for p in found.problems)


@given(st.dictionaries(KEYS, VALUES, max_size=5), st.sampled_from([Linker, Tree, Router]))
def test_json_and_yaml_of_any_values_have_the_same_outcome(
    value: dict[str, object], model: type[Model]
) -> None:
    text = json.dumps(value, indent=1)
    as_json, as_yaml = outcome(model, text), outcome(model, "# yaml\n" + text)
    if isinstance(as_json, ConfigError):
        assert isinstance(as_yaml, ConfigError)
        assert [(p.line + 1, p.column, p.path, p.message) for p in as_json.problems] == [
            (p.line, p.column, p.path, p.message) for p in as_yaml.problems
        ]
    else:
        assert as_json == as_yaml
