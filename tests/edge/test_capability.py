"""Where an override may lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dtab import read_dtab
from edge.rules.capability import ENTRIES_MAX, Capability
from tests.edge.faces import PEER, face_of, head

if TYPE_CHECKING:
    from edge.answers.face import EdgeFace
    from edge.verdict.context import EdgeContext

FACE = face_of("""
hosts: [www.hello.world]
trust:
- {name: employee, cookie: {name: c, equals: letmein}, may_override: true}
- {name: narrow, cookie: {name: c, equals: narrow},
   may_override: {prefixes: [/host/w], targets: [/srv/w2, /srv/w3]}}
""")


def decided(*lines: bytes, face: EdgeFace = FACE) -> EdgeContext:
    return face.settings.policy.decide(head(*lines), PEER)


@pytest.mark.parametrize(
    "override",
    [
        "/host/w => /$/inet/169.254.169.254/80",
        "/host/w => /srv/a | /$/inet/127.0.0.1/9990",
        "/host/w => 0.1*/srv/a & 0.9*/$/io.buoyant.rinet/80/evil.example",
        "/host/w => /#/io.l5d.fs/secret",
        "/ => /srv/a",
        "/* => /srv/a",
        "/$/inet => /srv/a",
        "/#/io.l5d.fs/hello => /srv/a",
        "/host/w => /",
        "/ok => /srv/a ; /host/w => (/srv/b | (/srv/c & /$/nil))",
    ],
)
def test_an_override_may_not_leave_the_mesh(override: str) -> None:
    assert Capability().refuses(read_dtab(override)) is not None
    context = decided(b"Cookie: c=letmein", b"l5d-dtab: " + override.encode())
    assert context.answer is not None
    assert context.answer.status == 403


@pytest.mark.parametrize(
    "override", ["", "/host/w => /srv/w2", "/svc/* => /srv/x | ~", "/host/w => ! ; /a => $"]
)
def test_an_override_within_the_mesh_passes(override: str) -> None:
    assert Capability().refuses(read_dtab(override)) is None


@pytest.mark.parametrize(
    ("override", "fine"),
    [
        ("/host/w => /srv/w2", True),
        ("/host/w/deeper => /srv/w3/x", True),
        ("/host/w => 1*/srv/w2 & 2*/srv/w3", True),
        ("/host/w => ~", True),
        ("/host => /srv/w2", False),
        ("/host/* => /srv/w2", False),
        ("/host/x => /srv/w2", False),
        ("/host/w => /srv/w1", False),
        ("/host/w => /srv", False),
        ("/host/w => /srv/w2 | /srv/w1", False),
        ("/host/w => /$/inet/127.0.0.1/80", False),
    ],
)
def test_an_override_is_held_to_its_scope(override: str, fine: bool) -> None:
    context = decided(b"Cookie: c=narrow", b"l5d-dtab: " + override.encode())
    assert (context.answer is None) is fine


def test_a_scope_may_open_addresses_by_saying_so() -> None:
    scope = "{prefixes: [/host], targets: [/$/inet/127.0.0.1]}"
    face = face_of(f"trust: [{{name: a, cookie: {{name: c, equals: d}}, may_override: {scope}}}]\n")
    near, far = (
        b"l5d-dtab: /host/w=>/$/inet/127.0.0.1/80",
        b"l5d-dtab: /host/w=>/$/inet/10.0.0.1/80",
    )
    assert decided(b"Cookie: c=d", near, face=face).answer is None
    assert decided(b"Cookie: c=d", far, face=face).answer is not None


def test_an_override_of_very_many_entries_is_refused() -> None:
    table = ";".join(f"/host/h{number}=>/srv/a" for number in range(ENTRIES_MAX + 1))
    why = Capability().refuses(read_dtab(table))
    assert why is not None
    assert "entries" in why
