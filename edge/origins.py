"""The effective configuration, each value with where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from config import ConfigError, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Document
    from edge.edge_config import EdgeConfig
    from edge.reload import ConfigSource


def origins(config: EdgeConfig, source: ConfigSource | None) -> list[dict[str, Any]]:
    """Every value in force: key, value with secrets masked, and `file:line:column` or `default`.

    A file that has changed since it was read is not asked: its places would be wrong.
    """
    document = None
    if source is not None and source.text is not None:
        try:
            document = read(source.text, source=str(source.file), env=source.env)
        except ConfigError:
            document = None
    return [
        {"key": ".".join(map(str, path)), "value": value, "origin": _origin(path, source, document)}
        for path, value in _leaves(config.model_dump(mode="json"), ())
    ]


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
