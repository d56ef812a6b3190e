"""A Zipkin server's environment variables: each is honoured, or somebody is told."""

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.kits.zipkin_server import COMMAND, NEEDS_ZIPKIN
from tracing.pipeline.environment import (
    FOREIGN,
    HONOURED,
    Foreign,
    SettingError,
    read_settings,
    warnings,
)
from tracing.pipeline.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "collector.md"
KNOWN = HONOURED.union(*(foreign.names for foreign in FOREIGN))

# What each variable changes; the rest stays as it was.
HONOURED_AS: dict[str, tuple[str, dict[str, Any]]] = {
    "AUTOCOMPLETE_KEYS": ("a, b,,a", {"autocomplete_keys": ("a", "b")}),
    "COLLECTOR_GRPC_ENABLED": ("false", {"grpc_collector_enabled": False}),
    "COLLECTOR_HTTP_ENABLED": ("false", {"http_collector_enabled": False}),
    "COLLECTOR_PORT": ("9998", {"scribe_enabled": True, "scribe_port": 9998}),
    "COLLECTOR_SAMPLE_RATE": ("0.25", {"sample_rate": 0.25}),
    "COLLECTOR_SCRIBE_ENABLED": ("true", {"scribe_enabled": True}),
    "HTTP_COLLECTOR_ENABLED": ("off", {"http_collector_enabled": False}),
    "MEM_MAX_SPANS": ("10", {"in_memory": True, "spans_max": 10}),
    "QUERY_ENABLED": ("false", {"query_enabled": False, "ui_enabled": False}),
    "QUERY_LOOKBACK": ("1000", {"query_lookback_ms": 1000}),
    "QUERY_PORT": ("9999", {"http_port": 9999}),
    "QUERY_TIMEOUT": ("5s", {"query_timeout_s": 5.0}),
    "SCRIBE_CATEGORY": ("spans", {"scribe_category": "spans"}),
    "SCRIBE_ENABLED": ("1", {"scribe_enabled": True}),
    "SEARCH_ENABLED": ("FALSE", {"search_enabled": False}),
    "STORAGE_TYPE": ("mem", {"in_memory": True}),
    "STRICT_TRACE_ID": ("false", {"strict_trace_id": False}),
    "UI_ENABLED": ("false", {"ui_enabled": False}),
}


@pytest.mark.parametrize("name", sorted(HONOURED))
def test_a_variable_is_honoured(name: str) -> None:
    value, changes = HONOURED_AS[name]
    assert read_settings({name: value}) == Settings(**changes)
    assert warnings({name: value}) == []


@pytest.mark.parametrize("name", sorted(HONOURED))
def test_an_empty_variable_counts_as_absent(name: str) -> None:
    assert read_settings({name: " "}) == Settings()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("COLLECTOR_SCRIBE_ENABLED", "SCRIBE_ENABLED"),
        ("COLLECTOR_HTTP_ENABLED", "HTTP_COLLECTOR_ENABLED"),
    ],
)
def test_the_newer_name_of_a_variable_wins(first: str, second: str) -> None:
    for value, other in (("true", "false"), ("false", "true")):
        assert read_settings({first: value, second: other}) == read_settings({first: value})


def test_a_store_on_disk_can_be_asked_for_with_a_bound_on_memory_left_over() -> None:
    assert not read_settings({"MEM_MAX_SPANS": "10", "STORAGE_TYPE": "sqlite"}).in_memory


def test_scribe_stays_shut_where_it_is_said_so() -> None:
    env = {"COLLECTOR_PORT": "9998", "COLLECTOR_SCRIBE_ENABLED": "false"}
    assert not read_settings(env).scribe_enabled


def test_a_port_that_kubernetes_made_of_a_services_name_opens_nothing() -> None:
    env = {"COLLECTOR_PORT": "tcp://10.0.0.7:9411"}
    assert read_settings(env) == Settings()
    [line] = warnings(env)
    assert "'tcp://10.0.0.7:9411' is no port" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUERY_PORT", "http"),
        ("QUERY_PORT", "-1"),
        ("QUERY_PORT", "65536"),
        ("QUERY_PORT", "٣"),
        ("MEM_MAX_SPANS", "0"),
        ("MEM_MAX_SPANS", "9" * 5_000),
        ("COLLECTOR_SAMPLE_RATE", "1.5"),
        ("COLLECTOR_SAMPLE_RATE", "nan"),
        ("STRICT_TRACE_ID", "maybe"),
        ("QUERY_TIMEOUT", "soon"),
        ("QUERY_TIMEOUT", "0s"),
        ("QUERY_TIMEOUT", "1hm"),
        ("STORAGE_TYPE", "cassandra3"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: "):
        read_settings({name: value})


@pytest.mark.parametrize(
    ("text", "seconds"), [("250", 0.25), ("250ms", 0.25), ("2m", 120.0), ("1h", 3600.0)]
)
def test_a_timeout_has_springs_units(text: str, seconds: float) -> None:
    assert read_settings({"QUERY_TIMEOUT": text}).query_timeout_s == seconds


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda one: min(one.names))
def test_a_variable_of_what_is_not_here_is_told_of_and_changes_nothing(foreign: Foreign) -> None:
    env = dict.fromkeys(foreign.names, "false")
    assert read_settings(env) == Settings()
    [line] = warnings(env)
    assert all(name in line for name in foreign.names)
    assert foreign.why in line


@pytest.mark.parametrize("foreign", [one for one in FOREIGN if one.wanted], ids=lambda f: f.unless)
def test_a_queue_that_would_be_left_unread_ends_the_start(foreign: Foreign) -> None:
    for name in foreign.wanted:
        with pytest.raises(SettingError, match=f"^{name}: .*{foreign.unless}=false"):
            read_settings({name: "there:1"})
        assert read_settings({name: "there:1", foreign.unless: "false"}) == Settings()


def test_the_document_has_every_variable_once() -> None:
    rows = re.findall(r"^\| (`[A-Z_`, ]+) \|", DOCUMENT.read_text(), re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert sorted(listed) == sorted(KNOWN)


@pytest.mark.peer
@NEEDS_ZIPKIN
def test_the_real_server_has_no_variable_that_nobody_thought_of() -> None:
    assert COMMAND is not None
    with zipfile.ZipFile(COMMAND[-1]) as jar:
        text = jar.read("BOOT-INF/classes/zipkin-server-shared.yml").decode()
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) == KNOWN
