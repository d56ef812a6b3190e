"""Text to a validated model, or every problem at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from config.document import read
from config.problem import ConfigError
from config.translate import translate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.model import M


def load(model: type[M], text: str, *, source: str, env: Mapping[str, str] | None = None) -> M:
    """Read YAML, or JSON if it begins with `{`, into `model`.

    Shape: types are strict as in JSON: "5" is no number, 1 is not true; lists fill tuples.
    `source` names the text in problems. With `env`, `${NAME}` and `${NAME:-default}` are expanded
    in values; an unquoted value is a number or a boolean again afterwards.
    Raises: ConfigError with every problem of the text; syntax is told alone.
    """
    document = read(text, source=source, env=env)
    problems = list(document.problems)
    try:
        # By way of JSON, where strictness means what an operator means by it: in Python mode a
        # strict tuple refuses a list, and a lax integer accepts "5" and true.
        value = model.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        problems += translate(error, model, document)
        raise ConfigError(tuple(problems)) from None
    if problems:
        raise ConfigError(tuple(problems))
    return value
