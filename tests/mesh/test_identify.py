"""Identifiers: from a request to a key, from a key to a path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtab import read_path
from mesh.faces.identify import (
    FirstOf,
    HeaderPath,
    HeaderToken,
    Identifier,
    MethodAndHost,
    PathSegments,
    Static,
    Unreadable,
)
from wire.limits import MESH_LIMITS
from wire.request import RequestHead, read_request_head


def request(line: str, *headers: str) -> RequestHead:
    return read_request_head("\r\n".join((line, *headers, "", "")).encode(), MESH_LIMITS)


def named(identifier: Identifier, head: RequestHead) -> str | None:
    key = identifier.key(head)
    return str(identifier.name(key)) if isinstance(key, bytes) else None


WEB = "GET /a/b?c=d HTTP/1.1", "Host: Web:80", "x-to: /users/v2"


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        (HeaderToken(), "/Web:80"),
        (HeaderToken("x-to"), r"/\x2f\x75\x73\x65\x72\x73\x2f\x76\x32"),
        (HeaderToken("x-none"), None),
        (HeaderPath("x-to"), "/users/v2"),
        (HeaderPath(), None),
        (MethodAndHost(), "/1.1/GET/web:80"),
        (MethodAndHost(with_target=True), "/1.1/GET/web:80/a/b"),
        (PathSegments(), "/a"),
        (PathSegments(2), "/a/b"),
        (PathSegments(3), None),
        (Static(read_path("/always/here")), "/always/here"),
        (FirstOf([HeaderPath(), PathSegments(2), HeaderToken()]), "/a/b"),
        (FirstOf([HeaderPath(), PathSegments(3), HeaderToken()]), "/Web:80"),
        (FirstOf([HeaderPath(), PathSegments(3)]), None),
    ],
)
def test_an_identifier_names_the_service_by_its_own_part_of_the_request(
    identifier: Identifier, name: str | None
) -> None:
    assert named(identifier, request(*WEB)) == name


def test_http_1_0_has_no_host_to_name_a_service_by() -> None:
    assert named(MethodAndHost(), request("GET / HTTP/1.0", "Host: web")) == "/1.0/GET"
    assert named(MethodAndHost(), request("GET / HTTP/1.1")) is None
    assert MethodAndHost().key(request("GET / HTTP/1.1")) == "HTTP/1.1 request missing hostname"


@pytest.mark.parametrize(
    ("target", "rest"),
    [
        ("/web/a?b=c", "/a?b=c"),
        ("/web", "/"),
        ("/web/", "/"),
        ("/web?k=v", "/?k=v"),
        ("/web//a//", "//a//"),
        ("//web", "//web"),
    ],
)
def test_a_consumed_segment_leaves_the_rest_of_the_target(target: str, rest: str) -> None:
    head = request(f"GET {target} HTTP/1.1")
    PathSegments(consume=True).key(head)
    assert head.target.decode() == rest


def test_a_value_that_is_no_path_ends_the_search() -> None:
    listed = FirstOf([HeaderPath("x-to"), Static(read_path("/else"))])
    with pytest.raises(Unreadable, match="'/' expected but 'u' found"):
        listed.key(request("GET / HTTP/1.1", "x-to: users"))


def test_the_last_identifier_says_why_none_fits() -> None:
    head = request("GET / HTTP/1.1")
    assert FirstOf([HeaderToken(), PathSegments()]).key(head) == "not enough segments in path"
    assert HeaderPath().key(head) == "l5d-name header is absent"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#")))
def test_the_key_of_any_target_has_a_name(text: str) -> None:
    head = request(f"GET /{text} HTTP/1.1", "Host: web")
    for identifier in (MethodAndHost(with_target=True), PathSegments(), PathSegments(2)):
        key = identifier.key(head)
        assert isinstance(key, str) or identifier.name(key).labels
