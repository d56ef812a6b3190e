"""Types of single values in `edge.yml`, each with its check and hint."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator

from config import Model, Refused
from dtab import DtabSyntaxError, Prefix, read_prefix
from edge.rules import trust

# RFC 9110, 5.6.2: token
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What framing and routing hang on: these are the gateway's own to write.
_NOT_OURS_TO_EDIT: Final = re.compile(
    r"(?:l5d|weir)[-_.].*|host|content-length|transfer-encoding|connection|keep-alive|te|trailer|"
    r"upgrade|expect|via|forwarded|x-forwarded-.*|x-real-ip|proxy-.*",
    re.IGNORECASE,
)
_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_HOST: Final = re.compile(
    r"\*|(?:\*\.)?[0-9a-z_-]+(?:\.[0-9a-z_-]+)*|\[[0-9a-f:.]+\]", re.IGNORECASE
)
_PREFIX: Final = re.compile(r"(?:/[0-9A-Za-z._~!$&'()*+,;=:@-]+)+")
_ADDRESS: Final = re.compile(r"([0-9A-Za-z.-]+|\[[0-9a-f:.]+\]):([0-9]{1,5})")
_PORT_MAX: Final = 65_535


def _host_pattern(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise Refused(
            f"{text} is no host pattern",
            hint="a name without port, *.suffix, or * for every other host",
        )
    return text.lower()


def _path_prefix(text: str) -> str:
    trimmed = text.rstrip("/")
    segments = trimmed.split("/")
    if not _PREFIX.fullmatch(trimmed) or "." in segments or ".." in segments:
        raise Refused(
            f"{text} is no path prefix",
            hint="whole segments without escapes, such as /static or /api/v2",
        )
    return trimmed


def _network(text: Any) -> trust.Network:
    try:
        return ip_network(str(text))
    except ValueError as error:
        raise Refused(str(error), hint="write 10.0.0.0/8, fd00::/8 or one address") from None


def _prefix(text: Any) -> Prefix:
    if isinstance(text, Prefix):
        return text
    try:
        return read_prefix(str(text))
    except DtabSyntaxError as error:
        raise Refused(str(error), hint="a prefix is written /label or /label/*") from None


def _header_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise Refused(f"{text} is no header name")
    if _NOT_OURS_TO_EDIT.fullmatch(text):
        raise Refused(
            f"{text} is written by the gateway itself",
            hint="framing, routing and forwarding headers cannot be set or removed by a rule",
        )
    return text


def _header_value(text: str) -> str:
    if not _VALUE.fullmatch(text):
        raise Refused("a header value is one line of visible ASCII")
    return text


def _cookie_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise Refused(f"{text} is no cookie name", hint="letters, digits, - and _")
    return text


def _address(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[2]) > _PORT_MAX:
        raise Refused(f"{text} is no address", hint="write HOST:PORT, such as 127.0.0.1:4142")
    return text


HostPattern = Annotated[str, AfterValidator(_host_pattern)]
PathPrefix = Annotated[str, AfterValidator(_path_prefix)]
Network = Annotated[
    trust.Network,
    PlainValidator(_network, json_schema_input_type=str),
    PlainSerializer(str, return_type=str),
]
PrefixText = Annotated[
    Prefix,
    PlainValidator(_prefix, json_schema_input_type=str),
    PlainSerializer(str, return_type=str),
]
GrantName = Annotated[str, Field(pattern=r"^weir-[0-9a-z-]{1,50}$")]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
CookieName = Annotated[str, AfterValidator(_cookie_name)]
Address = Annotated[str, AfterValidator(_address)]


class RateConfig(Model):
    """So many requests in a second, and so many at once."""

    per_s: Annotated[float, Field(gt=0)]
    burst: Annotated[int, Field(ge=1)] = 10
