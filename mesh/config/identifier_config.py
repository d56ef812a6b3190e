"""What an operator writes of identifiers: how a request names its service."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from config import Model
from mesh.config.config_types import PathText

_DEFAULT: Final = "io.l5d.header.token"


class HeaderTokenIdentifier(Model):
    """One header's value, verbatim, is one label."""

    kind: Literal["io.l5d.header.token"] = _DEFAULT
    header: str = "Host"


class HeaderIdentifier(Model):
    """One header's value is a path."""

    kind: Literal["io.l5d.header"]
    header: str = "l5d-name"


class MethodAndHostIdentifier(Model):
    """Version, method and host, and the target's path where that is wanted."""

    kind: Literal["io.l5d.methodAndHost"]
    httpUriInDst: bool = False


class PathIdentifier(Model):
    """The first segments of the target's path."""

    kind: Literal["io.l5d.path"]
    segments: Annotated[int, Field(ge=1)] = 1
    consume: bool = False
    """Whether the service sees the target without them."""


class StaticIdentifier(Model):
    """One path, whatever was asked for."""

    kind: Literal["io.l5d.static"]
    path: PathText


def _kind(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind or _DEFAULT


def _as_list(value: Any) -> Any:
    """One identifier is written without a list."""
    if isinstance(value, dict):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Identifier = Annotated[
    Annotated[HeaderTokenIdentifier, Tag("io.l5d.header.token")]
    | Annotated[HeaderIdentifier, Tag("io.l5d.header")]
    | Annotated[MethodAndHostIdentifier, Tag("io.l5d.methodAndHost")]
    | Annotated[PathIdentifier, Tag("io.l5d.path")]
    | Annotated[StaticIdentifier, Tag("io.l5d.static")],
    Discriminator(_kind),
]
Identifiers = Annotated[tuple[Identifier, ...], Field(min_length=1), BeforeValidator(_as_list)]
