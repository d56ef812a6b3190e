"""Text to values: YAML 1.2, aliases, and what an environment expands."""

from __future__ import annotations

from itertools import pairwise

import pytest

from config import load
from tests.config.linker import Linker, Server, problems, told


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("on: yes", "wanted true or false, got the text 'yes'"),
        ("on: 1", "wanted true or false, got the number 1"),
        ('on: "true"', "wanted true or false, got the text 'true'"),
        ("admin: {port: true}", "wanted a whole number, got true"),
        ("admin: {port: 80.5}", "wanted a whole number, got the number 80.5"),
        ("admin: {port: 99999999999999999999}", "must be less than or equal to 65535"),
        ("ratio: .inf", "must be a finite number"),
        ("ratio: .nan", "must be a finite number"),
        ("routers: [5]", "wanted a mapping, got the number 5"),
        ("text: {a: 1}", "wanted text, got a mapping"),
        ("text: [a]", "wanted text, got a list"),
        ("text: ~", "wanted text, got nothing"),
        ("5", "wanted a mapping, got the number 5"),
        ("- 1", "wanted a mapping, got a list"),
        ("true: 1", "a key must be text"),
        ("~: 1", "a key must be text"),
        ("? [a]\n: 1", "a key must be text, not a mapping or a list"),
        ("a: &x 1\ntext: *y", "no anchor &y stands above this alias"),
        ("a: &x [*x]", "the alias *x stands inside its own anchor"),
        ("a: !!python/name:os.system x", "the tag !!python/name:os.system has no meaning here"),
        ("a: 1\n---\nb: 1", "a second document"),
        ("text: a: b", "a second ': ' on one line"),
        ("text: 'a", "a quote is opened and never closed"),
        ("text: @a", "this character cannot start a value"),
        ("admin:\n  port: 1\n ip: x", "this line does not fit the indentation above it"),
        ("routers:\n- a\nb", "a key without its ':'"),
        ("a\x00: 1", "the character U+0000 may not stand in a document"),
        ("a: \ud800", "the character U+D800 may not stand in a document"),
        ('text: "a\\0"', "the character U+0000 may not stand in a value"),
        ('"\\0": 1', "the character U+0000 may not stand in a value"),
        ('{"text": "\\u0000"}', "the character U+0000 may not stand in a value"),
        ('{"text": "\\ud800"}', "half of a surrogate pair is no character"),
        ('{"\\ud800": 1}', "half of a surrogate pair is no character"),
        ('{"a": 1,}', "no JSON: wanted a key in double quotes"),
        ('{"a": 01}', "no JSON: wanted ',' or '}'"),
        ('{"a" 1}', "no JSON: wanted ':'"),
        ('{"a": "\t"}', "no JSON: invalid control character at"),
        ('{"a": "x', "no JSON: unterminated string starting at"),
        ('{"a": [1', "no JSON: wanted ',' or ']'"),
        ('{"a": tru}', "no JSON: wanted a value"),
        ('{"a": 1} x', "no JSON: nothing may follow the document"),
        ('{"a": ' + "9" * 50 + "}", "no JSON: a number of more than forty characters"),
        ("a: " + "[" * 70, "nested deeper than 64 levels"),
        ('{"a": ' + "[" * 70, "no JSON: nested deeper than 64 levels"),
        ("text: " + "x" * 1_048_576, "larger than 1048576 bytes"),
    ],
)
def test_a_bad_document_says_what_is_wrong(text: str, found: str) -> None:
    assert any(p.message.startswith(found) for p in problems(text)), problems(text)


def test_every_line_indented_by_a_tab_is_told() -> None:
    text = "admin:\n\tport: 1\n  \tip: x\n"
    assert told(text) == ["2:1 : a tab cannot indent YAML", "3:3 : a tab cannot indent YAML"]


def test_aliases_are_the_same_value_and_errors_point_at_the_anchor() -> None:
    text = "routers:\n- &one {protocol: http, label: a}\n- *one\n"
    assert [r.label for r in load(Linker, text, source="x").routers] == ["a", "a"]
    text = "routers:\n- &one {protocol: http, label: 5}\n- *one\n"
    assert told(text) == [
        "2:32 routers.0.label: wanted text, got the number 5",
        "2:32 routers.1.label: wanted text, got the number 5",
    ]


def test_an_alias_bomb_is_refused() -> None:
    names = "abcdefgh"
    lines = [f"a: &a [{', '.join('1' * 10)}]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in pairwise(names)]
    (problem,) = problems("\n".join(lines))
    assert problem.message == "more than 100000 values, aliases written out"
    (problem,) = problems("a: &a 1\nb: [" + "*a, " * 1_001 + "]")
    assert problem.message == "more than 1000 aliases"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2001-01-01", "2001-01-01"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("/$/inet/127.1/80", "/$/inet/127.1/80"),
        ("$", "$"),
        ("a$b$", "a$b$"),
        ("${A}", "1 b"),
        ("x${A}y${A}", "x1 by1 b"),
        ("${NONE:-d}", "d"),
        ("${NONE:-}x", "x"),
        ("${EMPTY:-d}", "d"),
        ("'${EMPTY}'", ""),
        ("'$${A}'", "${A}"),
        ("${NESTED}", "${A}"),
        ('"${NUMBER}"', "5"),
        ("|\n  ${A}", "1 b"),
    ],
)
def test_a_text_is_read_as_yaml_1_2_and_expanded(text: str, value: str) -> None:
    env = {"A": "1 b", "EMPTY": "", "NESTED": "${A}", "NUMBER": "5"}
    assert load(Linker, f"text: {text}", source="x", env=env).text == value


def test_an_unquoted_reference_may_become_a_number_or_a_boolean() -> None:
    text = "admin:\n  port: ${PORT:-4140}\non: ${ON}\n"
    linker = load(Linker, text, source="x", env={"ON": "true"})
    assert linker.admin == Server(port=4140)
    assert linker.on is True


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("text: a ${NONE} b", "1:9 text: the variable NONE is not set"),
        ('text: "a ${NONE} b"', "1:10 text: the variable NONE is not set"),
        ("text: ${", "1:7 text: this is no reference to a variable"),
        ("text: ${1}", "1:7 text: this is no reference to a variable"),
        ("text: ${BYTES}", "1:7 text: a variable's value is no UTF-8"),
        ("on: ${NONE}", "1:5 on: the variable NONE is not set"),
    ],
)
def test_a_reference_that_cannot_be_expanded_is_told_once(text: str, found: str) -> None:
    assert told(text, env={"BYTES": "\udcff"}) == [found]


def test_without_an_environment_nothing_is_expanded() -> None:
    assert load(Linker, "text: ${A}", source="x").text == "${A}"


def test_expansion_is_bounded() -> None:
    text = "routers:\n" + "- {protocol: http, label: '${A}'}\n" * 200
    (problem,) = problems(text, env={"A": "x" * 10_000})
    assert problem.message == "larger than 1048576 characters once its variables are expanded"
