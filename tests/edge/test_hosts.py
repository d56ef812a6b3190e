"""One form for a host, and the longest rule for it."""

from __future__ import annotations

import pytest

from edge.rules.hosts import HostTable, normal_host


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        (b"WWW.Hello.World", b"www.hello.world"),
        (b"www.hello.world:8080", b"www.hello.world"),
        (b"www.hello.world.", b"www.hello.world"),
        (b"[::1]:80", b"[::1]"),
    ],
)
def test_a_host_has_one_form(host: bytes, normal: bytes) -> None:
    assert normal_host(host) == normal


def test_hosts_are_exact_or_below_the_longest_suffix_or_the_default() -> None:
    hosts = HostTable({"www.hello.world": 1, "*.Example": 2, "*.b.example": 3})
    assert hosts.find(b"WWW.hello.world:80") == (b"www.hello.world", 1)
    assert hosts.find(b"a.example") == (b"a.example", 2)
    assert hosts.find(b"a.b.example") == (b"a.b.example", 3)
    assert hosts.find(b"b.example") == (b"b.example", 2)
    for name in (b"example", b".example", b"notexample", b"hello.world"):
        assert hosts.find(name) == (name, None)
    assert HostTable({"*": 1}).find(b"any") == (b"any", 1)


def test_a_flood_of_hosts_is_not_remembered() -> None:
    hosts = HostTable({"*.example": 1})
    for number in range(10_000):
        hosts.find(b"h%d.example" % number)
        hosts.find(b"h%d.elsewhere" % number)
    assert len(hosts._memo) <= 4_096
