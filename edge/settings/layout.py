"""The canonical layout of `edge.yml`: sections in order, tables aligned, comments kept. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from config import ConfigError, Document, read
from dtab import DtabSyntaxError
from dtab.layout import RoundedWeightError
from dtab.layout import lay_out as lay_out_dtab
from edge.settings.edge_config import EdgeConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOP_KEY: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*:")
_DTAB_BLOCK: Final = re.compile(r"(?:- )?( *)(?:- )?(dtab|override): *[|>][+-]?[ \t]*(?:#.*)?")


def lay_out(text: str, *, source: str) -> str:
    """The same configuration, written neatly; if its values would change, the text as it was.

    Raises: ConfigError, when it is no document.
    """
    before = read(text, source=source)
    if text.lstrip(" \t\r\n").startswith("{"):
        return text  # JSON has no comments to keep: any tool lays it out
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    laid_out = "\n".join(_joined(_sections(list(_tables(lines))))).strip("\n") + "\n"
    try:
        after: Document | None = read(laid_out, source=source)
    except ConfigError:
        after = None
    return laid_out if after is not None and _same(before, after) else text


def _same(before: Document, after: Document) -> bool:
    """Whether both say the same; tables may differ in blanks."""
    return _normal(before.value) == _normal(after.value)


def _normal(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: "".join(str(inner).split()) if key in ("dtab", "override") else _normal(inner)
            for key, inner in value.items()
        }
    return [_normal(inner) for inner in value] if isinstance(value, list) else value


def _tables(lines: list[str]) -> Iterator[str]:
    """Every line; dtabs in blocks are aligned."""
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        yield line
        if not _DTAB_BLOCK.fullmatch(line.strip()):
            continue
        indent = len(line) - len(line.lstrip(" -"))
        start = at
        while at < len(lines) and (not lines[at] or _indent(lines[at]) > indent):
            at += 1
        while at > start and not lines[at - 1]:
            at -= 1
        block = lines[start:at]
        margin = " " * (indent + 2)
        try:
            laid_out = lay_out_dtab("\n".join(block))
        except (DtabSyntaxError, RoundedWeightError):
            yield from block
        else:
            yield from (margin + one if one else "" for one in laid_out.splitlines())


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _sections(lines: list[str]) -> list[list[str]]:
    """Top-level keys with what belongs to them, in the model's order; comments before theirs."""
    sections: list[tuple[str, list[str]]] = []
    waiting: list[str] = []  # comments and blanks that belong to what comes next
    head: list[str] = []
    for line in lines:
        key = _TOP_KEY.match(line)
        if key is not None:
            if not sections and "" in waiting:
                # A file's own comment ends at its first blank line.
                cut = len(waiting) - waiting[::-1].index("")
                head, waiting = waiting[:cut], waiting[cut:]
            sections.append((key.group(1), [*waiting, line]))
            waiting = []
        elif not line or line.startswith("#") or not sections:
            waiting.append(line)
        else:
            sections[-1][1].extend([*waiting, line])
            waiting = []
    order = {name: number for number, name in enumerate(EdgeConfig.model_fields)}
    sections.sort(key=lambda one: order.get(one[0], len(order)))
    return [head, *(body for _, body in sections), waiting]


def _joined(sections: list[list[str]]) -> Iterator[str]:
    """The sections' lines; never two blank lines in a row."""
    blank = True
    for line in (line for section in sections for line in section):
        if line or not blank:
            yield line
        blank = not line
