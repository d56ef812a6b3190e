"""The query API's parameters, read and refused as the real server does. Pure."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from tracing.pipeline import normalise
from tracing.pipeline.search import TraceQuery, read_terms

_INT32: Final = range(-(1 << 31), 1 << 31)
_INT64: Final = range(-(1 << 63), 1 << 63)
# Some 140,000 years; what is later is as late, and in microseconds still an integer of 64 bits.
_MS_MAX: Final = (1 << 62) // 1000 + 1
_TRACE_IDS_MAX: Final = 1000


class ArgumentError(ValueError):
    """The one line of a 400."""


def read_args(query: bytes) -> dict[str, str]:
    """Decoded parameters; of a repeated one the first counts. Raises: ArgumentError."""
    args: dict[str, str] = {}
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=1000
        )
    except ValueError as error:
        raise ArgumentError("too many parameters") from error
    for name, value in pairs:
        args.setdefault(name, value)
    return args


def required(args: Mapping[str, str], name: str) -> str:
    """A parameter that must be there. Raises: ArgumentError."""
    if name not in args:
        raise ArgumentError(f"Mandatory parameter/header/attribute is missing: {name}")
    return args[name]


def _number(text: str, allowed: range) -> int:
    sign = text[:1] if text[:1] in ("+", "-") else ""
    digits = text[len(sign) :]
    if not digits.isdecimal() or len(digits) > 30:  # noqa: PLR2004 - a bound
        raise ArgumentError(f'For input string: "{text}"')
    number = int(text)
    if number not in allowed:
        raise ArgumentError(f'For input string: "{text}"')
    return number


def number_or_none(args: Mapping[str, str], name: str) -> int | None:
    """An optional number of 64 bits. Raises: ArgumentError."""
    text = args.get(name, "")
    return _number(text, _INT64) if text else None


def _primitive(args: Mapping[str, str], name: str, allowed: range) -> int:
    if not args[name]:
        raise ArgumentError(f"Cannot set null to primitive type parameter: {name}")
    return _number(args[name], allowed)


def _name(args: Mapping[str, str], name: str) -> str | None:
    return args.get(name, "").lower() or None


def trace_query(args: Mapping[str, str], *, now_ms: int, lookback_ms: int) -> TraceQuery:
    """The search that /traces is asked for. Raises: ArgumentError."""
    limit = _primitive(args, "limit", _INT32) if "limit" in args else 10
    end_ms = number_or_none(args, "endTs")
    lookback = number_or_none(args, "lookback")
    shortest, longest = number_or_none(args, "minDuration"), number_or_none(args, "maxDuration")
    span_name = _name(args, "spanName")
    if end_ms is not None and end_ms <= 0:
        raise ArgumentError("endTs <= 0")
    if limit <= 0:
        raise ArgumentError("limit <= 0")
    if lookback is not None and lookback <= 0:
        raise ArgumentError("lookback <= 0")
    if shortest is not None and shortest <= 0:
        raise ArgumentError("minDuration <= 0")
    if longest is not None:
        if shortest is None:
            raise ArgumentError("maxDuration is only valid with minDuration")
        if longest < shortest:
            raise ArgumentError("maxDuration < minDuration")
    return TraceQuery(
        end_ms=now_ms if end_ms is None else min(end_ms, _MS_MAX),
        lookback_ms=lookback_ms if lookback is None else min(lookback, _MS_MAX),
        limit=limit,
        service=_name(args, "serviceName"),
        span_name=None if span_name == "all" else span_name,
        remote_service=_name(args, "remoteServiceName"),
        duration_min=shortest,
        duration_max=longest,
        terms=read_terms(args.get("annotationQuery", "")),
    )


def window(args: Mapping[str, str], *, lookback_ms: int) -> tuple[int, int]:
    """(endTs, lookback) of /dependencies. Raises: ArgumentError."""
    required(args, "endTs")
    end_ms = _primitive(args, "endTs", _INT64)
    lookback = number_or_none(args, "lookback")
    if end_ms <= 0:
        raise ArgumentError("endTs <= 0")
    if lookback is not None and lookback <= 0:
        raise ArgumentError("lookback <= 0")
    return min(end_ms, _MS_MAX), lookback_ms if lookback is None else min(lookback, _MS_MAX)


def many_ids(args: Mapping[str, str]) -> list[str]:
    """The normalised ids of /traceMany, in order. Raises: ArgumentError, SpanError."""
    text = required(args, "traceIds")
    if not text:
        raise ArgumentError("traceIds parameter is empty")
    pieces = text.split(",")
    if len(pieces) > _TRACE_IDS_MAX:
        raise ArgumentError(f"at most {_TRACE_IDS_MAX} trace ids")
    if len(pieces) == 1:
        raise ArgumentError("Use /api/v2/trace/{traceId} endpoint to retrieve a single trace")
    ids: dict[str, None] = {}
    for piece in pieces:
        trace_id = normalise.trace_id(piece)
        if trace_id in ids:
            raise ArgumentError(f"redundant traceId: {piece}")
        ids[trace_id] = None
    return list(ids)
