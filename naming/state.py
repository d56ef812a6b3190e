"""What is known of something that changes: its value, nothing yet, or why not."""

from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from naming.errors import NamingError

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """The newest value."""

    value: T_co


@dataclass(frozen=True, slots=True)
class Pending:
    """No answer yet."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer, and why."""

    error: NamingError


State: TypeAlias = Ok[T_co] | Pending | Failed

PENDING: Final = Pending()
