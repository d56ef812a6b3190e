from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from config import Model, Secret, json_schema


class Fs(Model):
    """Watches a directory."""

    kind: Literal["io.l5d.fs"]
    root_dir: str = Field(alias="rootDir")
    """One file a service;
    each line is an endpoint."""


class Inet(Model):
    kind: Literal["io.l5d.inet"]


class Root(Model):
    """All of it."""

    namers: tuple[Annotated[Fs | Inet, Field(discriminator="kind")], ...] = ()
    """Where names are looked up."""
    token: Secret | None = None
    port: int = Field(default=1, description="said by the field")
    """Not this."""


def test_descriptions_come_from_docstrings() -> None:
    schema = json_schema(Root)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["description"]) == ("Root", "All of it.")
    assert schema["properties"]["namers"]["description"] == "Where names are looked up."
    assert schema["properties"]["port"]["description"] == "said by the field"
    fs = schema["$defs"]["Fs"]
    assert fs["description"] == "Watches a directory."
    assert fs["properties"]["rootDir"] == {
        "title": "Rootdir",
        "type": "string",
        "description": "One file a service;\neach line is an endpoint.",
    }
    assert fs["additionalProperties"] is False


def test_a_secret_is_a_text_or_a_file_in_the_schema() -> None:
    schema = json_schema(Root)
    forms = schema["properties"]["token"]["anyOf"]
    assert forms == [{"type": "string"}, {"$ref": "#/$defs/Kept"}, {"type": "null"}]
    assert schema["$defs"]["Kept"]["required"] == ["file"]


def test_a_model_without_source_has_a_schema_all_the_same() -> None:
    made: dict[str, type[Model]] = {}
    exec("class Made(Model):\n    port: int = 1\n", {"Model": Model}, made)  # noqa: S102
    assert json_schema(made["Made"])["properties"]["port"]["type"] == "integer"
