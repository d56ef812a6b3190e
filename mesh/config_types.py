"""Values of configuration files: dtabs, paths, ports, rates."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator

from config import Refused
from dtab import Dtab, DtabSyntaxError, Path, read_dtab, read_path, show
from tracing.recorder.destination import HINT, DestinationError, check_destination


def _dtab(text: Any) -> Dtab:
    if isinstance(text, Dtab):
        return text  # a default
    if not isinstance(text, str):
        raise Refused("a dtab is text", hint="write entries such as /svc => /#/io.l5d.fs ;")
    try:
        return read_dtab(text)
    except DtabSyntaxError as error:
        raise Refused(str(error), hint="an entry is written /prefix => /name ;") from None


def _path(text: Any) -> Path:
    if isinstance(text, Path):
        return text  # a default
    try:
        return read_path(str(text))
    except DtabSyntaxError as error:
        raise Refused(str(error), hint="a path is written /label/label") from None


def _destination(text: str) -> str:
    try:
        return check_destination(text)
    except DestinationError as error:
        raise Refused(str(error), hint=HINT) from None


DtabText = Annotated[
    Dtab, PlainValidator(_dtab, json_schema_input_type=str), PlainSerializer(show, return_type=str)
]
PathText = Annotated[
    Path, PlainValidator(_path, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
Port = Annotated[int, Field(ge=0, le=65_535)]
Destination = Annotated[str, AfterValidator(_destination)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]


def kind_or_global(value: Any) -> str:
    """The kind of a `client` or `service` block, which may be left out."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind or "io.l5d.global"


Millis = Annotated[int, Field(ge=1)]
Kilobytes = Annotated[int, Field(ge=1, le=1_024)]
