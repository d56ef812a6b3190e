"""Configuration: YAML or JSON with source positions, validated, every problem told at once."""

from config.document import Document, read
from config.load import load
from config.model import Model, Refused, json_schema
from config.problem import ConfigError, Place, Problem
from config.secret import Secret

__all__ = [
    "ConfigError",
    "Document",
    "Model",
    "Place",
    "Problem",
    "Refused",
    "Secret",
    "json_schema",
    "load",
    "read",
]
