"""A reference to a secret. The secret itself never enters the configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticCustomError, core_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

FORM: Final = re.compile(r"(?P<kind>file|env):(?P<name>.+)", re.DOTALL)
ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET_BYTES_MAX: Final = 65_536  # a private key with its certificates; anything larger is a slip
MASK: Final = "**********"


class SecretMissing(Exception):
    """A secret cannot be read. The text names the reference, never a value."""


@dataclass(frozen=True, slots=True, repr=False)
class SecretRef:
    """Where a secret is kept: `file:/run/secrets/token` or `env:TOKEN`.

    repr, str, dumps and error messages show only the kind of the reference: what an operator takes
    for a reference may be the secret itself.
    """

    kind: str  # file or env
    name: str

    def reveal(self, env: Mapping[str, str]) -> str:
        """Read the secret; one line break at its end is dropped. Raises: SecretMissing."""
        if self.kind == "env":
            if self.name not in env:
                raise SecretMissing(f"the variable {self.name} is not set")
            return env[self.name]
        try:
            with Path(self.name).open("rb") as file:
                content = file.read(SECRET_BYTES_MAX + 1)
            text = content.decode()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise SecretMissing(f"{self.name}: {reason}") from None
        if len(content) > SECRET_BYTES_MAX:
            raise SecretMissing(f"{self.name}: larger than {SECRET_BYTES_MAX} bytes")
        return text.removesuffix("\n").removesuffix("\r")

    def __repr__(self) -> str:
        return f"SecretRef({self.kind}:{MASK})"

    __str__ = __repr__

    @classmethod
    def parse(cls, value: object) -> SecretRef:
        """Read a reference. Raises: PydanticCustomError, whose text never holds the value."""
        if isinstance(value, cls):
            return value
        form = FORM.fullmatch(value) if isinstance(value, str) else None
        if form is None or (form["kind"] == "env" and not ENV_NAME.fullmatch(form["name"])):
            raise PydanticCustomError(
                "secret_ref", "wanted where the secret is kept, not the secret itself"
            )
        return cls(form["kind"], form["name"])

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda ref: f"{ref.kind}:{MASK}", return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": "^(file:.+|env:[A-Za-z_][A-Za-z0-9_]*)$",
            "description": "Where a secret is kept: file:PATH or env:NAME.",
        }
