"""Models like those of a mesh, and what is told of a document for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import pytest
from pydantic import Field, field_validator, model_validator

from config import ConfigError, Model, Problem, Refused, Secret, load

if TYPE_CHECKING:
    from collections.abc import Mapping


class HeaderIdentifier(Model):
    kind: Literal["io.l5d.header"]
    header: str = "l5d-name"


class PathIdentifier(Model):
    kind: Literal["io.l5d.path"]
    segments: int = Field(1, ge=1)
    consume: bool = False


Identifier = Annotated[HeaderIdentifier | PathIdentifier, Field(discriminator="kind")]


class Client(Model):
    timeout_ms: int | None = Field(default=None, alias="timeoutMs")


class Server(Model):
    port: int = Field(ge=0, le=65_535)
    ip: str = "127.0.0.1"


class Router(Model):
    protocol: Literal["http", "h2"]
    label: str | None = None
    dtab: str = ""
    identifier: Identifier | tuple[Identifier, ...] | None = None
    client: Client = Client()
    servers: tuple[Server, ...] = ()
    weights: dict[str, float] = Field(default_factory=dict)
    token: Secret | None = None

    @field_validator("dtab")
    @classmethod
    def _read_dtab(cls, text: str) -> str:
        if text and not text.startswith("/"):
            raise ValueError("a dentry begins with /")
        return text

    @model_validator(mode="after")
    def _ports_are_used_once(self) -> Self:
        seen: set[int] = set()
        for index, server in enumerate(self.servers):
            if server.port in seen:
                at = ("servers", index, "port")
                raise Refused(f"port {server.port} is taken", hint="choose another", at=at)
            seen.add(server.port)
        return self


class Linker(Model):
    routers: tuple[Router, ...] = ()
    admin: Server | None = None
    size: int | tuple[int, ...] = 1
    ratio: float = 1.0
    on: bool = False
    text: str = ""


class Tree(Model):
    children: tuple[Tree, ...] = ()
    kind: Literal["tree"] = "tree"


def problems(
    text: str, env: Mapping[str, str] | None = None, source: str = "l5d.yml"
) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(Linker, text, source=source, env=env)
    return caught.value.problems


def told(text: str, env: Mapping[str, str] | None = None) -> list[str]:
    return [f"{p.line}:{p.column} {p.path}: {p.message}" for p in problems(text, env)]
