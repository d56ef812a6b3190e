"""Values of configuration files: dtabs, paths, ports, rates."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator

from config import Refused
from dtab import Dtab, DtabSyntaxError, Path, read_dtab, read_path, show
from tracing.recorder.destination import HINT, DestinationError, check_destination

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PORT_MAX: Final = 65_535
DNS_PORT: Final = 53
# An address that stands for every one of its family.
_ALL: Final = frozenset({"0.0.0.0", "::"})
_WITH_PORT: Final = re.compile(r"(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})")


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


def name_server(text: str) -> tuple[str, int]:
    """The address and port of a name server: `10.0.0.53`, `10.0.0.53:5353` or `[::1]:53`.

    Raises: ValueError.
    """
    form = _WITH_PORT.fullmatch(text)
    address, port = (text, DNS_PORT) if form is None else (form[1] or form[2], int(form[3]))
    if not 1 <= port <= PORT_MAX:
        raise ValueError(text)
    return str(ipaddress.ip_address(address)), port


def _name_server(text: str) -> str:
    try:
        name_server(text)
    except ValueError:
        hint = "write 10.0.0.53, 10.0.0.53:5353 or [::1]:53"
        raise Refused(f"{text} is no address of a name server", hint=hint) from None
    return text


def first_taken(addresses: Sequence[tuple[str, int]]) -> int | None:
    """Which of these (ip, port) is the first that one before it binds already.

    Workers share their ports, so the system would not refuse it. Port 0 is any that is free.
    """
    for number, (ip, port) in enumerate(addresses):
        for other, taken in addresses[:number]:
            alike = ip == other or (bool(_ALL & {ip, other}) and (":" in ip) is (":" in other))
            if port and port == taken and alike:
                return number
    return None


DtabText = Annotated[
    Dtab, PlainValidator(_dtab, json_schema_input_type=str), PlainSerializer(show, return_type=str)
]
PathText = Annotated[
    Path, PlainValidator(_path, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
Port = Annotated[int, Field(ge=0, le=PORT_MAX)]
NameServer = Annotated[str, AfterValidator(_name_server)]
Destination = Annotated[str, AfterValidator(_destination)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]


def kind_or(default: str) -> Callable[[Any], str]:
    """Tells the kind of a block that may leave it out."""

    def kind(value: Any) -> str:
        said = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
        return said or default

    return kind


Millis = Annotated[int, Field(ge=1)]
Kilobytes = Annotated[int, Field(ge=1, le=1_024)]
