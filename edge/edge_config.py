"""`edge.yml`: what an operator writes for the gateway."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from config import Model
from dtab import Dtab
from mesh.linkerd_config import DtabText, FsNamerConfig, Port, Rate, Transformer


class ListenerConfig(Model):
    """Where the public connects."""

    ip: str = "0.0.0.0"
    port: Port = 80


class AdminConfig(Model):
    """The admin port."""

    ip: str = "127.0.0.1"
    port: Port = 9992


class CookieMatch(Model):
    """A cookie that must equal a text, byte for byte."""

    name: Annotated[str, Field(min_length=1)]
    equals: Annotated[str, Field(min_length=1)]


class TrustRule(Model):
    """Who may say what. The first rule that matches decides."""

    name: str
    cookie: CookieMatch
    override: DtabText = Dtab()
    """Dentries that the request gets."""
    may_override: bool = False
    """Whether the request may bring context and a dtab of its own."""
    may_sample: bool = False
    """Whether its l5d-sample counts."""


class TracingConfig(Model):
    """Where spans go."""

    collector: str = "http://127.0.0.1:9411"
    sample_rate: Rate = 0.001


class EdgeConfig(Model):
    """The gateway."""

    listener: ListenerConfig = ListenerConfig()
    admin: AdminConfig = AdminConfig()
    hosts: tuple[str, ...] = ()
    """Hosts that are routed: exact names, or `*.suffix`. All others get the test answer."""
    dtab: DtabText = Dtab()
    namers: tuple[FsNamerConfig, ...] = ()
    transformers: tuple[Transformer, ...] = ()
    trust: tuple[TrustRule, ...] = ()
    tracing: TracingConfig | None = None
