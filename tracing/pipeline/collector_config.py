"""`collector.yml`: what happens to spans between the receivers and the store."""

from __future__ import annotations

import re
from typing import Annotated, Literal, assert_never

from pydantic import AfterValidator, Field, model_validator

from config import Model, Refused
from tracing.pipeline.connections import Bounds
from tracing.pipeline.intake import Intake
from tracing.pipeline.tags import TagRules
from tracing.pipeline.tail.policy import Errors, Match, Policies, Policy, Rate, Slow
from tracing.pipeline.tail.window import TailWindow
from tracing.recorder.http_post import BadUrlError, Poster


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise Refused(f"no regular expression: {error}") from error
    return text


def _url(text: str) -> str:
    try:
        Poster(text, {})
    except BadUrlError as error:
        raise Refused(str(error)) from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]


class TagsConfig(Model):
    """Secrets and sizes."""

    redact: tuple[str, ...] = ()
    """Keys whose values go; `*` stands for any text."""
    redact_values: tuple[Expression, ...] = ()
    """Regular expressions; what they find goes, wherever it stands."""
    value_chars_max: Annotated[int, Field(ge=16)] | None = None
    tags_max: Annotated[int, Field(ge=1)] | None = None

    def rules(self) -> TagRules:
        """The rules that this asks for."""
        return TagRules(self.redact, self.redact_values, self.value_chars_max, self.tags_max)


class ErrorsConfig(Model):
    """Keep traces with a failed span."""

    kind: Literal["errors"]
    name: str = "errors"


class SlowConfig(Model):
    """Keep traces that last so long."""

    kind: Literal["slow"]
    over_ms: Annotated[float, Field(gt=0, le=86_400_000)]
    name: str = "slow"


class MatchConfig(Model):
    """Keep, or drop, traces with a span of a service, a route, or any tags."""

    kind: Literal["match"]
    name: str = "match"
    service: str | None = None
    route: str | None = None
    """The service name by which a router took it, such as `/svc/checkout*`."""
    tags: dict[str, str] = Field(default_factory=dict)
    keep: bool = True


class RateConfig(Model):
    """Keep a share of what is left, drop the rest."""

    kind: Literal["rate"]
    rate: Annotated[float, Field(ge=0, le=1)]
    name: str = "rate"


PolicyConfig = Annotated[
    ErrorsConfig | SlowConfig | MatchConfig | RateConfig, Field(discriminator="kind")
]


class TailConfig(Model):
    """Keep or drop whole traces, once their spans are together."""

    window_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long after its first span a trace is judged."""
    policies: Annotated[tuple[PolicyConfig, ...], Field(min_length=1, max_length=64)]
    """The first that has something to say decides; a trace that none speaks of is dropped."""

    def window(self) -> TailWindow:
        """An empty window with these policies."""
        policies = Policies([_policy(one) for one in self.policies])
        return TailWindow(policies, int(self.window_s * 1000))


class ZipkinExportConfig(Model):
    """Send what is stored on to a Zipkin server, or to another collector."""

    kind: Literal["zipkin"]
    name: Annotated[str, Field(pattern="^[a-z0-9_-]{1,40}$")] = "zipkin"
    """Its place in the log is kept under this name."""
    url: Annotated[str, AfterValidator(_url)]
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0


class LimitsConfig(Model):
    """What may wait, and how long."""

    reading_bytes_max: Annotated[int, Field(ge=1)] = 64 << 20
    """Of all messages together that are not whole yet."""
    message_within_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Else a few senders that stop in the middle would fill it for ever. 10 MiB at 3 Mbit/s."""
    queue_bytes_max: Annotated[int, Field(ge=1)] = 64 << 20
    """Of messages that wait for their place in the index."""
    connections_max: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    """Of each port; past it, the one that idles longest goes."""
    head_within_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """From a request's first byte to the end of its head."""
    idle_within_s: Annotated[float, Field(gt=0, le=86_400)] = 75.0
    """Between requests: longer than the 60 s after which senders' pools drop connections."""

    def intake(self) -> Intake:
        """The room for messages that are not whole yet."""
        return Intake(self.reading_bytes_max, self.message_within_s)

    def bounds(self) -> Bounds:
        """Of the connections of each port."""
        return Bounds(
            connections_max=self.connections_max,
            head_within_s=self.head_within_s,
            idle_within_s=self.idle_within_s,
            unread_within_s=self.message_within_s,
        )


class CollectorConfig(Model):
    """The whole file."""

    export: Annotated[tuple[ZipkinExportConfig, ...], Field(max_length=8)] = ()
    """Where stored spans are sent on to; each begins with what is stored from then on."""
    limits: LimitsConfig = LimitsConfig()
    tags: TagsConfig = TagsConfig()
    tail: TailConfig | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> CollectorConfig:
        names = [one.name for one in self.export]
        if len(set(names)) < len(names):
            raise Refused("two exporters have the same name; give one of them another")
        return self


def _policy(config: ErrorsConfig | SlowConfig | MatchConfig | RateConfig) -> Policy:
    match config:
        case ErrorsConfig():
            return Errors(config.name)
        case SlowConfig():
            return Slow(int(config.over_ms * 1000), config.name)
        case MatchConfig():
            tags = dict(config.tags)
            if config.route is not None:
                tags["service"] = config.route
            return Match(config.service, tags, config.keep, config.name)
        case RateConfig():
            return Rate(config.rate, config.name)
    assert_never(config)
