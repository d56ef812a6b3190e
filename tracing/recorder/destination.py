"""Where spans go, as one line of a configuration says it."""

import re
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final
from urllib.parse import urlsplit

from tracing.recorder.exporter import Exporter
from tracing.recorder.http_post import BadUrlError, Poster, is_host, shown
from tracing.recorder.scribe import ScribeExporter
from tracing.recorder.zipkin_http import ZipkinHttpExporter

SCRIBE_PORT: Final = 9410
_OTLP: Final = "otlp+"
_OTLP_PATH: Final = "/v1/traces"
_OTEL: Final = re.compile(r"otel:([a-z0-9_]+)")
_OTLP_EXPORTER: Final = "otlp_proto_http"
_GROUP: Final = "opentelemetry_traces_exporter"  # the SDK's group of entry points

HINT: Final = (
    "write http://host:9411 for Zipkin v2 JSON, scribe://host:9410 for an old Zipkin, "
    "otlp+http://host:4318 for OTLP, or otel:NAME for an exporter of the OpenTelemetry SDK"
)


class DestinationError(Exception):
    """A destination that cannot be; the text says why."""


def check_destination(text: str) -> str:
    """The text as it is, if spans can go there: one of the forms of HINT, its exporter installed.

    Raises: DestinationError.
    """
    try:
        if named := _OTEL.fullmatch(text):
            if named[1] not in (known := sorted(_installed())):
                names = ", ".join(known) or "none"
                raise DestinationError(f"no exporter {named[1]} is installed; there are: {names}")
            return text
        parts = urlsplit(text)
        if parts.scheme == "scribe":
            if not is_host(parts.hostname) or parts.path or parts.query or parts.port == 0:
                raise DestinationError(f"{shown(text)} is no scribe://host:port")
        else:
            Poster(text.removeprefix(_OTLP), {})
            if text.startswith(_OTLP) and _OTLP_EXPORTER not in _installed():
                raise DestinationError(f"{shown(text)}: pip install 'weir[otlp]'")
    except (BadUrlError, ValueError) as error:
        raise DestinationError(str(error)) from error
    return text


def open_exporter(destination: str) -> Exporter[Any]:
    """The exporter for a destination. Raises: DestinationError."""
    check_destination(destination)
    parts = urlsplit(destination)
    if parts.scheme == "scribe":
        return ScribeExporter(parts.hostname or "", parts.port or SCRIBE_PORT)
    named = _OTEL.fullmatch(destination)
    if named is None and not destination.startswith(_OTLP):
        return ZipkinHttpExporter(destination)
    from tracing.recorder.otel import OtelExporter  # noqa: PLC0415 - the others need no SDK

    if named is not None:
        return OtelExporter(_installed()[named[1]].load()())
    url = destination.removeprefix(_OTLP).rstrip("/")
    url = url if urlsplit(url).path else url + _OTLP_PATH
    return OtelExporter(_installed()[_OTLP_EXPORTER].load()(endpoint=url))


def _installed() -> dict[str, EntryPoint]:
    """The SDK's exporters by name; each is set up by its own OTEL_EXPORTER_* environment."""
    return {point.name: point for point in entry_points(group=_GROUP)}
