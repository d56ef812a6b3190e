"""The effective configuration, each value with where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from config import ConfigError, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from config import Document
    from edge.settings.edge_config import EdgeConfig
    from edge.settings.reload import ConfigSource

_WAITS: Final = "as at the start; the file's waits for a restart"


def origins(
    config: EdgeConfig, source: ConfigSource | None, waits: Sequence[str]
) -> list[dict[str, Any]]:
    """Every value in force: key, value with secrets masked, and `file:line:column` or `default`.

    Shape: `waits` are the keys whose values in the file wait for a restart. A file that has changed
    since it was read is not asked: its places would be wrong.
    """
    document = None
    if source is not None and source.text is not None:
        try:
            document = read(source.text, source=str(source.file), env=source.env)
        except ConfigError:
            document = None
    found = []
    for path, value in _leaves(config.model_dump(mode="json"), ()):
        key = ".".join(map(str, path))
        waiting = any(f"{key}.".startswith(f"{one}.") for one in waits)
        origin = _WAITS if waiting else _origin(path, source, document)
        found.append({"key": key, "value": value, "origin": origin})
    return found


def _leaves(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, number))
    else:
        yield path, value


def _origin(
    path: tuple[str | int, ...], source: ConfigSource | None, document: Document | None
) -> str:
    if source is None or document is None:
        return "unknown"
    spot = document.spots.get(path)
    if spot is None:
        return "default"
    return f"{source.file}:{spot.value.line}:{spot.value.column}"
