import pytest

from tracing.pipeline.settings import SettingError, Settings, read_settings


def test_no_variables_mean_the_documented_defaults() -> None:
    assert read_settings({}) == Settings()


def test_the_real_servers_variables_are_honoured() -> None:
    settings = read_settings(
        {
            "QUERY_PORT": "9999",
            "COLLECTOR_PORT": "9998",
            "COLLECTOR_SAMPLE_RATE": "0.25",
            "COLLECTOR_HTTP_ENABLED": "false",
            "STRICT_TRACE_ID": "false",
            "SEARCH_ENABLED": "FALSE",
            "AUTOCOMPLETE_KEYS": "a, b,,a",
            "QUERY_LOOKBACK": "1000",
            "QUERY_TIMEOUT": "5s",
            "UI_ENABLED": "false",
        }
    )
    assert settings == Settings(
        http_port=9999,
        scribe_enabled=True,
        scribe_port=9998,
        sample_rate=0.25,
        http_collector_enabled=False,
        strict_trace_id=False,
        search_enabled=False,
        autocomplete_keys=("a", "b"),
        query_lookback_ms=1000,
        query_timeout_s=5.0,
        ui_enabled=False,
    )


def test_a_bound_on_spans_in_memory_asks_for_memory() -> None:
    assert read_settings({"MEM_MAX_SPANS": "10"}).in_memory
    assert read_settings({"STORAGE_TYPE": "mem"}).in_memory
    assert not read_settings({"MEM_MAX_SPANS": "10", "STORAGE_TYPE": "sqlite"}).in_memory


def test_without_queries_there_are_no_pages() -> None:
    assert not read_settings({"QUERY_ENABLED": "false", "UI_ENABLED": "true"}).ui_enabled


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUERY_PORT", "http"),
        ("QUERY_PORT", "-1"),
        ("MEM_MAX_SPANS", "0"),
        ("COLLECTOR_SAMPLE_RATE", "1.5"),
        ("COLLECTOR_SAMPLE_RATE", "nan"),
        ("STRICT_TRACE_ID", "yes"),
        ("STORAGE_TYPE", "cassandra3"),
        ("QUERY_TIMEOUT", "soon"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        read_settings({name: value})
