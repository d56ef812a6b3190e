"""The access log's settings, of mesh and gateway alike."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from config import Model, Refused
from mesh.access.format import LineFormat, UnknownField
from mesh.access.log import AccessLog


def _format(text: str) -> str:
    try:
        LineFormat(text)
    except UnknownField as error:
        raise Refused(
            str(error), hint="json, combined, linkerd, or text with fields in braces"
        ) from None
    return text


class AccessLogConfig(Model):
    """A line for each request; off unless it stands in the configuration."""

    path: Annotated[str, Field(min_length=1)] = "-"
    """A file to append to, opened anew on SIGHUP; `-` is standard output."""
    format: Annotated[str, AfterValidator(_format)] = "json"
    """`json`, `combined`, `linkerd` (combined behind the host), or a template such as
    {time} {client} {method} {target} {status}."""


def open_log(config: AccessLogConfig | None) -> AccessLog | None:
    """The log. Raises: OSError, when it cannot be opened."""
    return None if config is None else AccessLog(config.path, LineFormat(config.format))
