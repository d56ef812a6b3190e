"""Documents to models, and every problem at its place."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from config import ConfigError, Model, load
from tests.config.linker import Linker, PathIdentifier, Server, problems, told


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


def test_a_long_line_is_shown_around_its_place() -> None:
    (problem,) = problems("routers: [" + "{protocol: http}, " * 20 + "5]")
    shown, caret = problem.excerpt.split("\n")
    assert shown.startswith("…")
    assert len(shown) <= 96
    assert shown[caret.index("^")] == "5"


def test_at_most_a_hundred_problems_of_a_model_are_told() -> None:
    assert len(problems("\n".join(f"k{i}: 1" for i in range(300)))) == 100


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


class Crowd(Model):
    members: Annotated[tuple[Server, ...], Field(min_length=1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("members: []", ["members: must have at least 1 item, not 0"]),
        ("members: [{port: x}]", ["members.0.port: wanted a whole number, got the text 'x'"]),
    ],
)
def test_an_item_that_is_refused_is_not_also_missing(text: str, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Crowd, text, source="crowd.yml")
    assert [f"{one.path}: {one.message}" for one in caught.value.problems] == said
