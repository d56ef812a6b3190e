from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, Self

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator, model_validator

from config import ConfigError, Model, Problem, Refused, SecretRef, load

if TYPE_CHECKING:
    from collections.abc import Mapping


class HeaderIdentifier(Model):
    kind: Literal["io.l5d.header"]
    header: str = "l5d-name"


class PathIdentifier(Model):
    kind: Literal["io.l5d.path"]
    segments: int = Field(1, ge=1)
    consume: bool = False


Identifier = Annotated[HeaderIdentifier | PathIdentifier, Field(discriminator="kind")]


class Client(Model):
    timeout_ms: int | None = Field(default=None, alias="timeoutMs")


class Server(Model):
    port: int = Field(ge=0, le=65_535)
    ip: str = "127.0.0.1"


class Router(Model):
    protocol: Literal["http", "h2"]
    label: str | None = None
    dtab: str = ""
    identifier: Identifier | tuple[Identifier, ...] | None = None
    client: Client = Client()
    servers: tuple[Server, ...] = ()
    weights: dict[str, float] = Field(default_factory=dict)
    token: SecretRef | None = None

    @field_validator("dtab")
    @classmethod
    def _read_dtab(cls, text: str) -> str:
        if text and not text.startswith("/"):
            raise ValueError("a dentry begins with /")
        return text

    @model_validator(mode="after")
    def _ports_are_used_once(self) -> Self:
        seen: set[int] = set()
        for index, server in enumerate(self.servers):
            if server.port in seen:
                at = ("servers", index, "port")
                raise Refused(f"port {server.port} is taken", hint="choose another", at=at)
            seen.add(server.port)
        return self


class Linker(Model):
    routers: tuple[Router, ...] = ()
    admin: Server | None = None
    size: int | tuple[int, ...] = 1
    ratio: float = 1.0
    on: bool = False
    text: str = ""


def problems(
    text: str, env: Mapping[str, str] | None = None, source: str = "l5d.yml"
) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(Linker, text, source=source, env=env)
    return caught.value.problems


def told(text: str, env: Mapping[str, str] | None = None) -> list[str]:
    return [f"{p.line}:{p.column} {p.path}: {p.message}" for p in problems(text, env)]


def test_a_right_document_becomes_a_frozen_value() -> None:
    text = """
routers:
- protocol: http
  label: outgoing
  dtab: |
    /svc => /#/io.l5d.fs;
  identifier: {kind: io.l5d.path, segments: 2, consume: true}
  servers:
  - port: 4140
  weights: {a: 1, b: 0.5}
"""
    linker = load(Linker, text, source="l5d.yml")
    router = linker.routers[0]
    assert router.identifier == PathIdentifier(kind="io.l5d.path", segments=2, consume=True)
    assert router.servers == (Server(port=4140),)
    assert router.weights == {"a": 1.0, "b": 0.5}
    with pytest.raises(ValueError, match="frozen"):
        router.label = "incoming"


def test_json_is_the_same_document() -> None:
    text = '{"routers": [{"protocol": "http", "label": "\\ud83d\\ude00"}], "ratio": 1e-1}'
    linker = load(Linker, text, source="l5d.json")
    assert (linker.routers[0].label, linker.ratio) == ("😀", 0.1)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}", "\ufeff{}", "   "])
def test_an_empty_document_is_an_empty_mapping(text: str) -> None:
    assert load(Linker, text, source="l5d.yml") == Linker()


def test_every_problem_is_told_at_once_in_the_order_of_the_text() -> None:
    text = """
admin:
  port: nope
  prot: 1
routers:
- protocol: htp
  identifier:
    kind: io.l5d.header
    segments: 3
  servers:
  - port: "4140"
  - {port: 70000, ip: 5}
  - {}
- servers: {port: 1}
  label: ${LABEL}
  label: twice
  dtab: svc
on: yes
"""
    assert told(text, env={}) == [
        "3:9 admin.port: wanted a whole number, got the text 'nope'",
        "4:3 admin.prot: unknown key",
        "6:13 routers.0.protocol: wanted one of http, h2, got the text 'htp'",
        "9:5 routers.0.identifier.segments: unknown key",
        "11:11 routers.0.servers.0.port: wanted a whole number, got the text '4140'",
        "12:12 routers.0.servers.1.port: must be less than or equal to 65535, got the number 70000",
        "12:23 routers.0.servers.1.ip: wanted text, got the number 5",
        "13:5 routers.0.servers.2.port: this key is required",
        "14:3 routers.1.protocol: this key is required",
        "14:12 routers.1.servers: wanted a list, got a mapping",
        "15:10 routers.1.label: the variable LABEL is not set",
        "16:3 routers.1.label: this key stands here twice",
        "17:9 routers.1.dtab: a dentry begins with /",
        "18:5 on: wanted true or false, got the text 'yes'",
    ]


def test_an_error_shows_file_line_column_path_caret_and_mend() -> None:
    with pytest.raises(ConfigError) as caught:
        load(Linker, "admin:\n  port: 1\n  iq: 127.0.0.1\non: no\n", source="a/l5d.yml")
    assert str(caught.value) == (
        "a/l5d.yml:3:3: admin.iq: unknown key\n"
        "      iq: …\n"
        "      ^^\n"
        "  hint: did you mean ip?\n"
        "a/l5d.yml:4:5: on: wanted true or false, got the text 'no'\n"
        "    on: no\n"
        "        ^^\n"
        "  hint: only true and false are booleans, without quotes"
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("rooters: []", "did you mean routers?"),
        ("ROUTERS: []", "did you mean routers?"),
        ("port: 1", "it belongs under admin"),
        ("zz: 1", "known keys: routers, admin, size, ratio, on, text"),
        ("routers: [{protocol: http, client: {timeoutms: 1}}]", "did you mean timeoutMs?"),
        ("routers: [{protocol: http, timeoutMs: 1}]", "it belongs under client"),
        ("routers: [{protocol: htp}]", "did you mean http?"),
        ("routers: [{protocol: h2, identifier: {kind: path}}]", "did you mean io.l5d.path?"),
        ("routers: [{protocol: h2, identifier: {}}]", "one of io.l5d.header, io.l5d.path"),
        ("text: 5", "put it in quotes"),
        ('ratio: "5.5"', "leave out the quotes: 5.5"),
        ("routers: {}", "start each item with '- '"),
        ("5: 1", 'put it in quotes: "5"'),
        ("a: 1\na: 2", "it first stands in line 1"),
    ],
)
def test_a_hint_says_how_to_mend(text: str, hint: str) -> None:
    assert hint in [p.hint for p in problems(text)]


def test_a_union_says_all_that_it_wants() -> None:
    assert told("size: x") == ["1:7 size: wanted a whole number or a list, got the text 'x'"]
    assert told("size: [1, x]") == ["1:11 size.1: wanted a whole number, got the text 'x'"]


def test_a_discriminated_union_in_a_list_points_at_the_line_of_its_own_branch() -> None:
    text = """
routers:
- protocol: http
  identifier:
  - kind: io.l5d.header
    header: host
  - kind: io.l5d.path
    segments: 0
  - kind: io.l5d.hader
  - header: x
"""
    at, kinds = "routers.0.identifier", "io.l5d.header, io.l5d.path"
    assert told(text) == [
        f"8:15 {at}.1.segments: must be greater than or equal to 1, got the number 0",
        f"9:11 {at}.2.kind: wanted one of {kinds}, got the text 'io.l5d.hader'",
        f"10:5 {at}.3.kind: this key is required",
    ]


def test_a_validator_can_point_below_its_model() -> None:
    text = "routers:\n- protocol: http\n  servers:\n  - port: 1\n  - port: 1\n"
    (problem,) = problems(text)
    assert (problem.line, problem.column, problem.path) == (5, 11, "routers.0.servers.1.port")
    assert (problem.message, problem.hint) == ("port 1 is taken", "choose another")


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


def test_a_long_line_is_shown_around_its_place() -> None:
    (problem,) = problems("routers: [" + "{protocol: http}, " * 20 + "5]")
    shown, caret = problem.excerpt.split("\n")
    assert shown.startswith("…")
    assert len(shown) <= 96
    assert shown[caret.index("^")] == "5"


def test_at_most_a_hundred_problems_of_a_model_are_told() -> None:
    assert len(problems("\n".join(f"k{i}: 1" for i in range(300)))) == 100


class Tree(Model):
    children: tuple[Tree, ...] = ()
    kind: Literal["tree"] = "tree"


def test_a_key_named_like_a_branch_of_its_union_is_not_mistaken() -> None:
    class Header(Model):
        kind: Literal["header"]
        header: str
        more: int

    class Other(Model):
        kind: Literal["other"]

    class Holder(Model):
        identifier: Annotated[Header | Other, Field(discriminator="kind")]

    with pytest.raises(ConfigError) as caught:
        load(Holder, "identifier:\n  kind: header\n  header: 5\n", source="x")
    assert [(p.path, p.line, p.column) for p in caught.value.problems] == [
        ("identifier.more", 2, 3),
        ("identifier.header", 3, 11),
    ]


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


# The machine may be busy; how long an example takes is no property of the code.
at_leisure = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@at_leisure
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


@at_leisure
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
