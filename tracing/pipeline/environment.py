"""What the collector is told, in the real server's words. Pure.

Source: Zipkin 3.6.1's zipkin-server-shared.yml. Each of its variables is honoured, or a line says
what becomes of it: nobody who takes our collector for the real one loses a setting unawares.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tracing.pipeline.settings import Settings
from tracing.thrift import CATEGORY

_NUMBER_MAX: Final = 1 << 62
_PORT_MAX: Final = 65_535
# Spring's words.
_TRUE: Final = frozenset({"true", "on", "yes", "1"})
_FALSE: Final = frozenset({"false", "off", "no", "0"})
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 0.001}

HONOURED: Final = frozenset(
    {
        "AUTOCOMPLETE_KEYS",
        "COLLECTOR_GRPC_ENABLED",
        "COLLECTOR_HTTP_ENABLED",
        "COLLECTOR_PORT",
        "COLLECTOR_SAMPLE_RATE",
        "COLLECTOR_SCRIBE_ENABLED",
        "HTTP_COLLECTOR_ENABLED",
        "MEM_MAX_SPANS",
        "QUERY_ENABLED",
        "QUERY_LOOKBACK",
        "QUERY_PORT",
        "QUERY_TIMEOUT",
        "SCRIBE_CATEGORY",
        "SCRIBE_ENABLED",
        "SEARCH_ENABLED",
        "STORAGE_TYPE",
        "STRICT_TRACE_ID",
        "UI_ENABLED",
    }
)


class Foreign(NamedTuple):
    """Variables of something that is not here.

    Shape: those in `wanted` ask for it, unless the variable `unless` says false: a collector that
    went on without would lose spans, so it does not start.
    """

    names: frozenset[str]
    why: str
    wanted: tuple[str, ...] = ()
    unless: str = ""


def _named(prefix: str, ends: str, *more: str) -> frozenset[str]:
    return frozenset([*(f"{prefix}_{end}" for end in ends.split()), *more])


_QUEUE: Final = "spans are not read from {}; have its consumer POST them to /api/v2/spans"
_DISK: Final = (
    "spans are kept on disk; to keep them in {}, send them on to a Zipkin server that has it"
    " (export in collector.yml)"
)

FOREIGN: Final = (
    Foreign(
        _named("KAFKA", "BOOTSTRAP_SERVERS TOPIC GROUP_ID STREAMS", "COLLECTOR_KAFKA_ENABLED"),
        _QUEUE.format("Kafka"),
        ("KAFKA_BOOTSTRAP_SERVERS",),
        "COLLECTOR_KAFKA_ENABLED",
    ),
    Foreign(
        _named(
            "RABBIT",
            "ADDRESSES CONCURRENCY CONNECTION_TIMEOUT PASSWORD QUEUE USER VIRTUAL_HOST USE_SSL URI",
            "COLLECTOR_RABBITMQ_ENABLED",
        ),
        _QUEUE.format("RabbitMQ"),
        ("RABBIT_ADDRESSES", "RABBIT_URI"),
        "COLLECTOR_RABBITMQ_ENABLED",
    ),
    Foreign(
        _named("ACTIVEMQ", "URL QUEUE CONCURRENCY USERNAME PASSWORD", "COLLECTOR_ACTIVEMQ_ENABLED"),
        _QUEUE.format("ActiveMQ"),
        ("ACTIVEMQ_URL",),
        "COLLECTOR_ACTIVEMQ_ENABLED",
    ),
    Foreign(
        _named(
            "PULSAR", "SERVICE_URL TOPIC SUBSCRIPTION_NAME CONCURRENCY", "COLLECTOR_PULSAR_ENABLED"
        ),
        _QUEUE.format("Pulsar"),
        ("PULSAR_SERVICE_URL",),
        "COLLECTOR_PULSAR_ENABLED",
    ),
    Foreign(
        _named(
            "ES",
            "HOSTS PIPELINE TIMEOUT INDEX ENSURE_TEMPLATES DATE_SEPARATOR INDEX_SHARDS"
            " INDEX_REPLICAS USERNAME PASSWORD CREDENTIALS_FILE CREDENTIALS_REFRESH_INTERVAL"
            " HTTP_LOGGING SSL_NO_VERIFY HEALTH_CHECK_ENABLED HEALTH_CHECK_INTERVAL"
            " TEMPLATE_PRIORITY",
        ),
        _DISK.format("Elasticsearch"),
    ),
    Foreign(
        _named(
            "CASSANDRA",
            "CONTACT_POINTS LOCAL_DC USERNAME PASSWORD KEYSPACE MAX_CONNECTIONS ENSURE_SCHEMA"
            " INDEX_FETCH_MULTIPLIER USE_SSL SSL_HOSTNAME_VALIDATION",
        ),
        _DISK.format("Cassandra"),
    ),
    Foreign(
        _named("MYSQL", "JDBC_URL HOST TCP_PORT USER PASS DB MAX_CONNECTIONS USE_SSL"),
        _DISK.format("MySQL"),
    ),
    Foreign(
        _named("STORAGE_THROTTLE", "ENABLED MIN_CONCURRENCY MAX_CONCURRENCY MAX_QUEUE_SIZE"),
        "the queue before the store always has a bound, past which senders are told to come again",
    ),
    Foreign(frozenset({"AUTOCOMPLETE_TTL"}), "a value is written down once a day"),
    Foreign(
        _named("SELF_TRACING", "ENABLED SAMPLE_RATE TRACES_PER_SECOND FLUSH_INTERVAL"),
        "the collector does not trace itself; /metrics counts its work",
    ),
    Foreign(
        _named("EUREKA", "SERVICE_URL APP_NAME INSTANCE_ID HOSTNAME", "DISCOVERY_EUREKA_ENABLED"),
        "the collector does not register itself anywhere",
    ),
)


class SettingError(ValueError):
    """A variable's value cannot be used; the text names it."""


def read_settings(env: Mapping[str, str]) -> Settings:
    """The settings of an environment. Raises: SettingError."""
    _refuse_what_is_wanted(env)
    query = _flag(env, "QUERY_ENABLED", default=True)
    keys = [key.strip() for key in env.get("AUTOCOMPLETE_KEYS", "").split(",")]
    scribe = _flag(
        env,
        "COLLECTOR_SCRIBE_ENABLED",
        default=_flag(env, "SCRIBE_ENABLED", default=_asks_for_scribe(env)),
    )
    return Settings(
        http_port=_number(env, "QUERY_PORT", 9411, high=_PORT_MAX),
        scribe_enabled=scribe,
        scribe_port=_number(env, "COLLECTOR_PORT", 9410, high=_PORT_MAX) if scribe else 9410,
        scribe_category=env.get("SCRIBE_CATEGORY", "").strip() or CATEGORY,
        http_collector_enabled=_flag(
            env,
            "COLLECTOR_HTTP_ENABLED",
            default=_flag(env, "HTTP_COLLECTOR_ENABLED", default=True),
        ),
        grpc_collector_enabled=_flag(env, "COLLECTOR_GRPC_ENABLED", default=True),
        sample_rate=_rate(env, "COLLECTOR_SAMPLE_RATE"),
        in_memory=_in_memory(env),
        spans_max=_number(env, "MEM_MAX_SPANS", 500_000, low=1),
        strict_trace_id=_flag(env, "STRICT_TRACE_ID", default=True),
        search_enabled=_flag(env, "SEARCH_ENABLED", default=True),
        query_enabled=query,
        ui_enabled=query and _flag(env, "UI_ENABLED", default=True),
        autocomplete_keys=tuple(dict.fromkeys(key for key in keys if key)),
        query_lookback_ms=_number(env, "QUERY_LOOKBACK", 86_400_000, low=1),
        query_timeout_s=_seconds(env, "QUERY_TIMEOUT", 11.0),
    )


def warnings(env: Mapping[str, str]) -> list[str]:
    """A line for each thing that the environment speaks of and that is not here."""
    lines = []
    for foreign in FOREIGN:
        names = sorted(name for name in foreign.names if env.get(name, "").strip())
        if names:
            lines.append(f"{', '.join(names)}: not read; {foreign.why}")
    port = env.get("COLLECTOR_PORT", "").strip()
    if port and not port.isdigit() and not read_settings(env).scribe_enabled:
        # Kubernetes makes such a variable for every service, here for one named `collector`.
        lines.append(f"COLLECTOR_PORT: {port!r} is no port; scribe stays shut")
    return lines


def _refuse_what_is_wanted(env: Mapping[str, str]) -> None:
    for foreign in FOREIGN:
        asked = [name for name in foreign.wanted if env.get(name, "").strip()]
        if asked and _flag(env, foreign.unless, default=True):
            raise SettingError(f"{asked[0]}: {foreign.why}, or set {foreign.unless}=false")


def _asks_for_scribe(env: Mapping[str, str]) -> bool:
    """A port alone asks for it; on the real server it does not."""
    return env.get("COLLECTOR_PORT", "").strip().isdigit()


def _in_memory(env: Mapping[str, str]) -> bool:
    storage = env.get("STORAGE_TYPE", "").strip().lower()
    if storage not in ("", "mem", "sqlite"):
        raise SettingError(f"STORAGE_TYPE: mem and sqlite are here; {_DISK.format(storage)}")
    return storage == "mem" or (not storage and bool(env.get("MEM_MAX_SPANS", "").strip()))


def _flag(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = env.get(name, "").strip().lower()
    if not text:
        return default
    if text not in _TRUE | _FALSE:
        raise SettingError(f"{name}: expected true or false, not {text!r}")
    return text in _TRUE


def _number(
    env: Mapping[str, str], name: str, default: int, *, low: int = 0, high: int = _NUMBER_MAX
) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text[:20]) <= high:
        upto = f"to {high}" if high < _NUMBER_MAX else "on"
        raise SettingError(f"{name}: expected a whole number from {low} {upto}, not {text!r}")
    return int(text)


def _rate(env: Mapping[str, str], name: str) -> float:
    text = env.get(name, "").strip() or "1"
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        raise SettingError(f"{name}: expected a rate from 0 to 1, not {text!r}")
    return rate


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "").strip().lower()
    if not text:
        return default
    digits = text.rstrip("hms")
    unit = text[len(digits) :]
    if unit not in _UNITS_S or not (digits.isascii() and digits.isdigit()) or not int(digits[:20]):
        raise SettingError(f"{name}: expected a duration like 11s, not {text!r}")
    return int(digits) * _UNITS_S[unit]
