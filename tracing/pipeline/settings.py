"""What one collector is told. Pure."""

from dataclasses import dataclass, field

from tracing.pipeline.collector_config import CollectorConfig
from tracing.thrift import CATEGORY


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
    scribe_category: str = CATEGORY
    otlp_port: int | None = None  # shut unless asked for, as scribe's
    otlp_grpc_port: int | None = None
    config: CollectorConfig = field(default_factory=CollectorConfig)
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
