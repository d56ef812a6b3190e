"""The base of every configuration model, and the JSON Schema made from them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticSerializationError

if TYPE_CHECKING:
    from pydantic_core import core_schema

M = TypeVar("M", bound=BaseModel)


class Model(BaseModel):
    """A frozen value; an unknown key is an error, and defaults are held to the same rules."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # an input may be a secret put in the wrong place
    )


class Refused(ValueError):
    """Raised by a model's validator to say more than a message.

    `at` is the path below the validated value that the problem stands at, by the document's keys;
    `hint` says how to mend it.
    """

    def __init__(self, message: str, *, hint: str = "", at: tuple[str | int, ...] = ()) -> None:
        self.message, self.hint, self.at = message, hint, at
        super().__init__(message)


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema (2020-12) of what `load` accepts for `model`.

    Titles are class and key names; a description is the class's docstring or the docstring that
    follows a field, read from the source only here, for it costs half a millisecond a model.
    """
    schema = model.model_json_schema(by_alias=True, schema_generator=_Described)
    return {"$schema": _Described.schema_dialect, **schema}


class TextDefaults(GenerateJsonSchema):
    """JSON Schema in which a default that is not pydantic's, such as a table, is its text."""

    def encode_default(self, dft: Any) -> Any:
        """The default as JSON values."""
        try:
            return super().encode_default(dft)
        except PydanticSerializationError:
            return str(dft)


class _Described(TextDefaults):
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        cls: type[BaseModel] = schema["cls"]
        docstrings = _field_docstrings(cls)
        for name, field in cls.model_fields.items():
            key = field.validation_alias if isinstance(field.validation_alias, str) else name
            described = made.get("properties", {}).get(key)
            if described is not None and name in docstrings and field.description is None:
                described["description"] = docstrings[name]
        return made


def _field_docstrings(cls: type[BaseModel]) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not (issubclass(base, BaseModel) and base not in (BaseModel, Model)):
            continue
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue  # made at a prompt, or shipped without its source
        if not isinstance(body, ast.ClassDef):
            continue
        for field, after in zip(body.body, body.body[1:], strict=False):
            match field, after:
                case (
                    ast.AnnAssign(target=ast.Name(name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = inspect.cleandoc(text)
                case _:
                    pass
    return found
