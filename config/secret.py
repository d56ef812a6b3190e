"""A secret in a configuration: its text, or the file where it is kept. It is shown nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator
from pydantic_core import PydanticCustomError

from config.model import Model

SECRET_CHARACTERS_MAX: Final = 512
_BYTES_MAX: Final = 4 * SECRET_CHARACTERS_MAX + 2  # of UTF-8, and a line break
MASK: Final = "**********"


class Kept(Model):
    """A secret in a file of its own."""

    file: Path
    """Read with the configuration; one line break at its end is dropped."""


class _Text(str):
    """A secret's text, which the repr of what holds it does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


def _refused(message: str) -> PydanticCustomError:
    return PydanticCustomError("secret", "{message}", {"message": message})


def _secret(value: Any) -> str:
    """Raises: PydanticCustomError, whose text never holds the secret."""
    where = "a secret"
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("file"), str):
        where = value["file"]
        value = _kept(where)
    if not isinstance(value, str):
        raise _refused("wanted the text of the secret, or {file: where it is kept}")
    if not 1 <= len(value) <= SECRET_CHARACTERS_MAX:
        raise _refused(f"{where} must have 1 to {SECRET_CHARACTERS_MAX} characters")
    return _Text(value)


def _kept(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(_BYTES_MAX + 1)
        if len(content) > _BYTES_MAX:
            return content.decode("latin-1")  # too long, whatever it says
        text = content.decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise _refused(f"{file} cannot be read: {reason}") from None
    return text.removesuffix("\n").removesuffix("\r")


# Whoever knows it is trusted, so dumps and problems do not show it.
Secret = Annotated[
    str,
    PlainValidator(_secret, json_schema_input_type=str | Kept),
    PlainSerializer(lambda _: MASK, return_type=str),
]
