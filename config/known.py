"""What a model would have accepted at a place: read from its JSON Schema, for hints only."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic.errors import PydanticInvalidForJsonSchema

from config.model import TextDefaults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from config.document import Path
    from config.node import Plain

Schema: TypeAlias = dict[str, Any]

SHORT: Final = 3
LISTED_MAX: Final = 12  # more names than that are no help on one line


class Known:
    """The schema of one model, walked along one document."""

    def __init__(self, model: type[BaseModel], document: Plain) -> None:
        try:
            self._root: Schema = model.model_json_schema(
                by_alias=True, schema_generator=TextDefaults
            )
        except PydanticInvalidForJsonSchema:
            self._root = {}  # a type without a schema costs the hints, not the error
        self._document = document

    def keys(self, path: Path) -> list[str]:
        """Names that a mapping at `path` may have, in the order of the model."""
        return [name for schema in self._at(path) for name in schema.get("properties", {})]

    def constants(self, path: Path, key: str) -> list[str]:
        """Values that `key` has in the branches at `path`, such as the kinds of a union."""
        schemas = [one.get("properties", {}).get(key, {}) for one in self._at(path)]
        return [
            str(value)
            for schema in schemas
            for value in schema.get("enum", [schema["const"]] if "const" in schema else [])
        ]

    def hint(self, path: Path) -> str:
        """How to mend the unknown key at the end of `path`."""
        name, known = str(path[-1]), self.keys(path[:-1])
        if near := nearest(name, known):
            return f"did you mean {near}?"
        for key in known:
            if name in self.keys((*path[:-1], key)):
                return f"it belongs under {key}"
        return f"known keys: {listed(known)}" if known else ""

    def _at(self, path: Path) -> list[Schema]:
        value: object = self._document
        schemas = list(self._members(self._root, value))
        for step in path:
            value = _step_value(value, step)
            schemas = [
                member
                for schema in schemas
                for inner in _step_schema(schema, step)
                for member in self._members(inner, value)
            ]
        return schemas

    def _members(self, schema: Schema, value: object) -> Iterator[Schema]:
        """Resolve references and unions; a union with a discriminator follows the value's own."""
        while (ref := schema.get("$ref")) is not None:
            schema = self._root.get("$defs", {}).get(ref.rpartition("/")[2], {})
        discriminator = schema.get("discriminator", {})
        mapping = discriminator.get("mapping", {})
        if isinstance(value, dict):
            tag = value.get(discriminator.get("propertyName"))
            if isinstance(tag, str) and tag in mapping:
                yield from self._members({"$ref": mapping[tag]}, value)
                return
        branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
        for branch in branches:
            yield from self._members(branch, value)
        if not branches:
            yield schema


def _step_value(value: object, step: str | int) -> object:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return None


def _step_schema(schema: Schema, step: str | int) -> Iterator[Schema]:
    if isinstance(step, int):
        prefix = schema.get("prefixItems", ())
        inner = prefix[step] if step < len(prefix) else schema.get("items")
    else:
        inner = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
    if isinstance(inner, dict):
        yield inner


def nearest(name: str, known: list[str]) -> str:
    """The known name that a writer most likely meant, or nothing."""
    folded = {one.casefold(): one for one in known}
    given = name.casefold()
    # Of two or three letters one slip leaves but half.
    found = get_close_matches(given, folded, n=1, cutoff=0.6 if len(given) > SHORT else 0.5)
    if found:
        return folded[found[0]]
    # Kinds are long names of which people write the end: path for io.l5d.path.
    ends = [one for one in folded if given and one.endswith("." + given)]
    return folded[ends[0]] if len(ends) == 1 else ""


def listed(names: list[str]) -> str:
    """Names on one line, the end left out where they are many."""
    unique = list(dict.fromkeys(names))
    more = ", …" if len(unique) > LISTED_MAX else ""
    return ", ".join(unique[:LISTED_MAX]) + more
