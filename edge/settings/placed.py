"""Dentries of a configuration, each with its place in the file, for those who ask why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dtab import Dtab, Place

if TYPE_CHECKING:
    from config import Document
    from edge.settings.edge_config import EdgeConfig
    from edge.settings.host_config import WayConfig

Key = tuple["str | int", ...]


def placed(config: EdgeConfig, document: Document, file: str) -> EdgeConfig:
    """The same configuration. Shape: the document is the one that it was loaded from."""

    def table(dtab: Dtab, *key: str | int) -> Dtab:
        return Dtab(
            replace(entry, place=_in_file(entry.place, key, document, file)) for entry in dtab
        )

    def way(rule: WayConfig, *key: str | int) -> dict[str, Dtab]:
        return {"dtab": table(rule.dtab, *key, "dtab")}

    hosts = tuple(
        rule
        if isinstance(rule, str)
        else rule.model_copy(
            update=way(rule, "hosts", number)
            | {
                "paths": tuple(
                    path.model_copy(update=way(path, "hosts", number, "paths", below))
                    for below, path in enumerate(rule.paths)
                )
            }
        )
        for number, rule in enumerate(config.hosts)
    )
    trust = tuple(
        rule.model_copy(update={"override": table(rule.override, "trust", number, "override")})
        for number, rule in enumerate(config.trust)
    )
    common = table(config.dtab, "dtab")
    return config.model_copy(update={"dtab": common, "hosts": hosts, "trust": trust})


def _in_file(place: Place | None, key: Key, document: Document, file: str) -> Place | None:
    """From a place in a value's text to the one in the file; the value's own, if unsure."""
    spot = document.spots.get(key)
    if place is None or spot is None:
        return place
    line, column = spot.value.line, spot.value.column
    lines = document.text.lines
    if lines[line - 1][column - 1 : column] == "|":  # a block: its lines stand below, indented
        below = lines[line : line + place.line]
        if len(below) == place.line:
            written = [one for one in lines[line:] if one.strip()]
            indent = len(written[0]) - len(written[0].lstrip(" "))
            return Place(line + place.line, indent + place.col, file)
    return Place(line, column, file)
