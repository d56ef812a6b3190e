"""Back-offs, Forwarded lines, and the YAML that asks for them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError, load
from mesh.config.linkerd_config import MeshConfig
from mesh.faces.forwarded import Label, forwarded_line
from mesh.resilience.accrual import Accrual
from mesh.resilience.backoff import Constant, Jittered
from mesh.routing.service import ServiceSettings
from mesh.wiring.router_parts import make_identifier, make_plan

ROUTER = """
routers:
- protocol: http
  servers:
  - port: 0
"""


def test_a_constant_wait_stays() -> None:
    assert Constant(0.5).next_s(0.5, random.random) == 0.5


@given(st.floats(0.0, 0.999), st.integers(1, 20))
def test_a_jittered_wait_grows_up_to_its_longest(jitter: float, tries: int) -> None:
    backoff, last = Jittered(0.1, 2.0), 0.0
    for _ in range(tries):
        wait = backoff.next_s(last, lambda: jitter)
        assert max(last, 0.1) <= wait <= min(3 * last or 0.1, 2.0)
        last = wait


def test_a_dead_endpoint_waits_as_long_as_the_back_off_says() -> None:
    accrual = Accrual(1, lambda: 0.0, Constant(60.0))
    accrual.on_failure(10.0)
    assert not accrual.available(69.9)
    assert accrual.available(70.0)


@pytest.mark.parametrize(
    ("label", "ip", "text"),
    [
        (Label("ip"), "192.0.2.1", b"192.0.2.1"),
        (Label("ip"), "2001:db8::1", b'"[2001:db8::1]"'),
        (Label("ip:port"), "192.0.2.1", b'"192.0.2.1:80"'),
        (Label("ip:port"), "2001:db8::1", b'"[2001:db8::1]:80"'),
        (Label("text", "gate"), "192.0.2.1", b"_gate"),
        (Label("random"), "192.0.2.1", b"_AAAAAA"),
    ],
)
def test_an_end_is_called_as_the_label_says(label: Label, ip: str, text: bytes) -> None:
    assert label.show(ip, 80, lambda: 0.0) == text


def test_a_host_with_a_port_is_quoted() -> None:
    assert forwarded_line(b"_a", b"_b", b"web") == b"\r\nForwarded: by=_a;for=_b;host=web"
    assert forwarded_line(b"_a", b"_b", b"web:80").endswith(b';host="web:80"')
    assert forwarded_line(b"_a", b"_b", None) == b"\r\nForwarded: by=_a;for=_b"


def settings(service: str, key: bytes) -> ServiceSettings:
    config = load(MeshConfig, ROUTER + service, source="mesh.yml").routers[0]
    server = config.servers[0]
    return make_plan(config, server, make_identifier(config))(key).settings


def test_every_prefix_that_matches_a_service_counts_and_later_ones_override() -> None:
    text = """
  service:
    kind: io.l5d.static
    configs:
    - prefix: /svc
      totalTimeoutMs: 900
      responseClassifier: {kind: io.l5d.http.retryableRead5XX}
    - prefix: /svc/web
      totalTimeoutMs: 200
"""
    assert settings(text, b"web").total_timeout_s == 0.2
    assert settings(text, b"web").classifier.retryable(b"GET")
    assert settings(text, b"other").total_timeout_s == 0.9


def test_the_shorter_timeout_is_told() -> None:
    both = ServiceSettings(total_timeout_s=0.5, server_timeout=(0.3, "127.0.0.1/80"))
    assert both.timeout_s == 0.3
    assert both.timeout_message.startswith("exceeded 300.milliseconds to 127.0.0.1/80 while")
    assert ServiceSettings(total_timeout_s=0.5).timeout_message.startswith("exceeded 500.milli")
    assert ServiceSettings().timeout_s is None


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("identifier: {kind: io.l5d.ingress}", "io.l5d.ingress"),
        ("identifier: []", "at least 1 item"),
        ("client: {loadBalancer: {kind: fair}}", "fair"),
        ("service: {retries: {backoff: {kind: jittered, minMs: 5}}}", "maxMs"),
        ("compressionLevel: 6", "6"),
        ("tracePropagator: {kind: io.l5d.haystack}", "tracePropagator"),
    ],
)
def test_what_is_not_spoken_is_an_error_that_names_it(key: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(MeshConfig, f"{ROUTER}  {key}\n", source="mesh.yml")


ADDRESSES_TAKEN = {
    "{servers: [{}]}, {servers: [{port: 1}]}": "routers.1: two routers are called http",
    "{servers: [{}], label: a}, {servers: [{port: 4140}], label: b}": "routers.1.servers.0: .*4140",
    "{servers: [{port: 9}, {port: 9}]}": "servers.1: 127.0.0.1:9 is taken",
    "{servers: [{port: 9, ip: 0.0.0.0}, {port: 9}]}": "servers.1: 127.0.0.1:9 is taken",
    "{servers: [{port: 9990}]}": "servers.0: 127.0.0.1:9990 is taken",
}


@pytest.mark.parametrize("routers", ADDRESSES_TAKEN)
def test_labels_and_addresses_are_each_routers_own(routers: str) -> None:
    text = f"routers: [{routers}]".replace("{servers", "{protocol: http, servers")
    with pytest.raises(ConfigError, match=ADDRESSES_TAKEN[routers]):
        load(MeshConfig, text, source="mesh.yml")


@pytest.mark.parametrize("servers", ["{port: 9}, {port: 9, ip: '::'}", "{port: 0}, {port: 0}"])
def test_addresses_that_only_look_alike_are_two(servers: str) -> None:
    text = f"routers: [{{protocol: http, servers: [{servers}]}}]"
    assert len(load(MeshConfig, text, source="mesh.yml").routers[0].servers) == 2


def test_a_server_without_a_port_has_linkerds() -> None:
    text = "routers: [{protocol: http, servers: [{timeoutMs: 5}]}]"
    config = load(MeshConfig, text, source="mesh.yml").routers[0]
    (server,) = config.servers
    plan = make_plan(config, server, make_identifier(config))
    assert plan(b"web").settings.server_timeout == (0.005, "127.0.0.1/4140")


@pytest.mark.parametrize(
    "by", ["{kind: static}", "{kind: router, label: x}", "{kind: connectionRandom}"]
)
def test_a_label_goes_with_static_only(by: str) -> None:
    with pytest.raises(ConfigError):
        load(MeshConfig, f"{ROUTER}    addForwardedHeader: {{by: {by}}}\n", source="mesh.yml")
