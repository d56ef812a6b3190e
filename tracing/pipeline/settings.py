"""What the collector is told, in the real server's words.

Source: Zipkin 3.6.1's environment variables; those of stores and transports that are not ours
are not read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tracing.pipeline.collector_config import CollectorConfig

_INT32_MAX: Final = (1 << 31) - 1


class SettingError(ValueError):
    """A variable's value cannot be used; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One collector's settings.

    Units: query_lookback_ms and keep_ms are milliseconds; sample_rate is 0.0 to 1.0; spans_max
    counts spans and is only there for the store in memory; keep_bytes bounds the spans' JSON on
    disk, whose index takes about a tenth more.
    """

    http_port: int = 9411
    scribe_enabled: bool = False  # as the real server: a port that is not asked for stays shut
    scribe_port: int = 9410
    otlp_port: int | None = None  # shut unless asked for, as scribe's
    config: CollectorConfig = field(default_factory=CollectorConfig)
    otlp_grpc_port: int | None = None
    http_collector_enabled: bool = True
    grpc_collector_enabled: bool = True
    sample_rate: float = 1.0
    # The real server keeps spans in memory unless told otherwise; ours keeps them on disk, and
    # in memory only where a bound on them or that kind of store is asked for.
    in_memory: bool = False
    spans_max: int = 500_000
    keep_ms: int | None = 7 * 86_400_000  # a week: Zipkin's own habit with its larger stores
    keep_bytes: int | None = 10 << 30
    strict_trace_id: bool = True
    search_enabled: bool = True
    query_enabled: bool = True
    ui_enabled: bool = True
    autocomplete_keys: tuple[str, ...] = ()
    query_lookback_ms: int = 86_400_000
    query_timeout_s: float = 11.0
    names_max_age_s: int = 300
    allowed_origins: str = "*"


def _flag(env: Mapping[str, str], name: str, default: bool) -> bool:  # noqa: FBT001 - read so
    text = env.get(name, "").strip().lower()
    if not text:
        return default
    if text not in ("true", "false"):
        raise SettingError(f"{name}: expected true or false, not {text!r}")
    return text == "true"


def _number(env: Mapping[str, str], name: str, default: int, *, low: int = 0) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= 1 << 62:
        raise SettingError(f"{name}: expected a whole number from {low} on, not {text!r}")
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
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("", 0.001)):
        if text and text.endswith(unit):
            digits = text.removesuffix(unit)
            if digits.isascii() and digits.isdigit():
                return int(digits) * factor
    if text:
        raise SettingError(f"{name}: expected a duration like 11s, not {text!r}")
    return default


def read_settings(env: Mapping[str, str]) -> Settings:
    """The settings of an environment. Raises: SettingError."""
    query = _flag(env, "QUERY_ENABLED", default=True)
    keys = [key.strip() for key in env.get("AUTOCOMPLETE_KEYS", "").split(",")]
    storage = env.get("STORAGE_TYPE", "").strip().lower()
    if storage not in ("", "mem", "sqlite"):
        raise SettingError(f"STORAGE_TYPE: {storage!r} is not here; mem and sqlite are")
    return Settings(
        http_port=_number(env, "QUERY_PORT", 9411),
        scribe_enabled=_flag(
            env, "COLLECTOR_SCRIBE_ENABLED", default=bool(env.get("COLLECTOR_PORT", "").strip())
        ),
        scribe_port=_number(env, "COLLECTOR_PORT", 9410),
        http_collector_enabled=_flag(
            env,
            "COLLECTOR_HTTP_ENABLED",
            default=_flag(env, "HTTP_COLLECTOR_ENABLED", default=True),
        ),
        grpc_collector_enabled=_flag(env, "COLLECTOR_GRPC_ENABLED", default=True),
        sample_rate=_rate(env, "COLLECTOR_SAMPLE_RATE"),
        in_memory=storage == "mem" or (not storage and bool(env.get("MEM_MAX_SPANS", "").strip())),
        spans_max=_number(env, "MEM_MAX_SPANS", 500_000, low=1),
        strict_trace_id=_flag(env, "STRICT_TRACE_ID", default=True),
        search_enabled=_flag(env, "SEARCH_ENABLED", default=True),
        query_enabled=query,
        ui_enabled=query and _flag(env, "UI_ENABLED", default=True),
        autocomplete_keys=tuple(dict.fromkeys(key for key in keys if key)),
        query_lookback_ms=_number(env, "QUERY_LOOKBACK", 86_400_000, low=1),
        query_timeout_s=_seconds(env, "QUERY_TIMEOUT", 11.0),
    )
