"""What an operator writes of services: timeouts, classifiers, retries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from config import Model, Refused
from mesh.config.config_types import Millis, kind_or
from mesh.resilience.classify import CLASSIFIERS, DEFAULT_CLASSIFIER


def _classifier(kind: str) -> str:
    if kind not in CLASSIFIERS:
        raise Refused(
            f"unknown response classifier {kind}", hint="one of " + ", ".join(CLASSIFIERS)
        )
    return kind


class RetryBudgetConfig(Model):
    """How many retries a service may make."""

    minRetriesPerSec: Annotated[int, Field(ge=0)] = 10
    percentCanRetry: Annotated[float, Field(ge=0.0, le=1000.0)] = 0.2
    ttlSecs: Annotated[int, Field(ge=1, le=60)] = 10


class ConstantBackoff(Model):
    """The same wait before every retry."""

    kind: Literal["constant"] = "constant"
    ms: Annotated[int, Field(ge=0)] = 0


class JitteredBackoff(Model):
    """Waits that grow: the next is uniform between the last and three times the last."""

    kind: Literal["jittered"]
    minMs: Millis
    maxMs: Millis


Backoff = Annotated[
    Annotated[ConstantBackoff, Tag("constant")] | Annotated[JitteredBackoff, Tag("jittered")],
    Discriminator(kind_or("constant")),
]


class Retries(Model):
    """Retries of whole requests."""

    budget: RetryBudgetConfig = RetryBudgetConfig()
    backoff: Backoff = ConstantBackoff()


class ClassifierConfig(Model):
    """Which answers are failures, and which of them may be retried."""

    kind: Annotated[str, AfterValidator(_classifier)] = DEFAULT_CLASSIFIER


class ServiceConfig(Model):
    """How the requests of services are treated."""

    kind: Literal["io.l5d.global"] = "io.l5d.global"
    totalTimeoutMs: Millis | None = None
    responseClassifier: ClassifierConfig = ClassifierConfig()
    retries: Retries = Retries()


class PrefixedService(Model):
    """How the requests of services whose names begin so are treated."""

    prefix: str
    """Such as /svc/{service}."""
    totalTimeoutMs: Millis | None = None
    responseClassifier: ClassifierConfig | None = None
    retries: Retries | None = None


class StaticServices(Model):
    """Settings by service name; every prefix that matches counts, later ones override by key."""

    kind: Literal["io.l5d.static"]
    configs: tuple[PrefixedService, ...] = ()


Services = Annotated[
    Annotated[ServiceConfig, Tag("io.l5d.global")]
    | Annotated[StaticServices, Tag("io.l5d.static")],
    Discriminator(kind_or("io.l5d.global")),
]
