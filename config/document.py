"""A document as plain values, with the place of each value and key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from config.expand import expand
from config.json_reader import read_json
from config.node import (
    BYTES_MAX,
    NODES_MAX,
    Alias,
    Mapping,
    Node,
    Plain,
    Scalar,
    Sequence,
    SyntaxFault,
)
from config.problem import JSON_LINE_BREAK, PROBLEMS_MAX, ConfigError, Place, Problem, Text
from config.scalar import resolve
from config.yaml_reader import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingABC

Path: TypeAlias = "tuple[str | int, ...]"

# YAML 1.2.2, 5.1 (c-printable), and no surrogates: they have no UTF-8 form.
UNREADABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
SURROGATE: Final = re.compile("[\ud800-\udfff]")
# What an escape may bring into a value or a key, and no file's name, host or header can hold.
UNFIT: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value stands, and the key that names it (None for items and the root)."""

    value: Place
    key: Place | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values, the spot of each by its path, and the problems found while reading.

    A value that has a problem is replaced by an empty text, so that the rest can still be checked;
    `flawed` has their paths.
    """

    text: Text
    value: Plain
    spots: MappingABC[Path, Spot]
    problems: tuple[Problem, ...]
    flawed: frozenset[Path]

    def place(self, path: Path) -> Place:
        """Place of the value at `path`, or of the nearest value around it."""
        while path not in self.spots:
            path = path[:-1]
        return self.spots[path].value

    def key_place(self, path: Path) -> Place:
        """Place of the key that names `path`; of the value, where no key does."""
        spot = self.spots.get(path)
        return spot.key if spot is not None and spot.key is not None else self.place(path)


def read(text: str, *, source: str, env: MappingABC[str, str] | None = None) -> Document:
    """Read YAML, or JSON if the first character that is not blank is `{`.

    An empty document is an empty mapping. Without `env` nothing is expanded.
    Raises: ConfigError if the text is no document; all else is in the document's `problems`.
    """
    text = text.removeprefix("\ufeff")
    is_json = text.lstrip(" \t\r\n").startswith("{")
    whole = Text(text, source, JSON_LINE_BREAK) if is_json else Text(text, source)
    try:
        _refuse_unreadable(whole)
        root = read_json(whole) if is_json else read_yaml(whole)
        return _Flattener(whole, env).document(root)
    except SyntaxFault as fault:
        raise ConfigError(fault.problems) from None


def dotted(path: Path) -> str:
    """Show a path: routers.0.dtab."""
    return ".".join(map(str, path))


def _refuse_unreadable(whole: Text) -> None:
    if len(whole.text.encode(errors="surrogatepass")) > BYTES_MAX:
        message = f"larger than {BYTES_MAX} bytes"
        raise SyntaxFault(whole.problem(Place(1, 1), message, show=False))
    if bad := UNREADABLE.search(whole.text):
        before = whole.breaks.split(whole.text[: bad.start()])
        place = Place(len(before), len(before[-1]) + 1)
        message = f"the character U+{ord(bad[0]):04X} may not stand in a document"
        raise SyntaxFault(whole.problem(place, message, show=False))


def _why_unfit(character: str) -> str:
    if character == "\0":
        return "the character U+0000 may not stand in a value"
    return "half of a surrogate pair is no character"


@dataclass(slots=True)
class _Flattener:
    """Turns nodes into plain values. Aliases are written out, so their sum is bounded here."""

    text: Text
    env: MappingABC[str, str] | None
    spots: dict[Path, Spot] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    flawed: set[Path] = field(default_factory=set)
    size: int = 0  # characters after expansion

    def document(self, root: Node | None) -> Document:
        if root is None:
            self.spots[()] = Spot(Place(1, 1))
            value: Plain = {}
        else:
            value = self._value(root, (), None, None)
        return Document(self.text, value, self.spots, tuple(self.problems), frozenset(self.flawed))

    def _value(self, node: Node, path: Path, key: Place | None, alias: Place | None) -> Plain:
        while isinstance(node, Alias):
            alias = alias or node.place
            node = node.target
        self.spots[path] = Spot(node.place, key)
        if len(self.spots) > NODES_MAX:
            message = f"more than {NODES_MAX} values, aliases written out"
            raise SyntaxFault(self.text.problem(alias or node.place, message, path=dotted(path)))
        match node:
            case Scalar():
                return self._scalar(node, path)
            case Sequence(items):
                return [self._value(item, (*path, i), None, alias) for i, item in enumerate(items)]
            case Mapping():
                return self._mapping(node, path, alias)

    def _mapping(self, node: Mapping, path: Path, alias: Place | None) -> Plain:
        values: dict[str, Plain] = {}
        for key, child in node.pairs:
            name = self._key(key, path)
            here = (*path, name)
            if name in values:
                first = self.spots[here].key
                hint = f"it first stands in line {first.line}" if first else ""
                self._problem(key.place, "this key stands here twice", here, hint)
                continue
            values[name] = self._value(child, here, key.place, alias)
        return values

    def _key(self, key: Scalar, path: Path) -> str:
        name = str(key.value)
        meaning = resolve(name) if key.plain else name
        if not isinstance(meaning, str):
            hint = f'put it in quotes: "{name}"' if name else "write a key before ':'"
            self._problem(key.place, "a key must be text", (*path, name), hint)
        elif unfit := UNFIT.search(name):
            name = UNFIT.sub("?", name)
            self._problem(key.place, _why_unfit(unfit[0]), (*path, name))
        return name

    def _scalar(self, node: Scalar, path: Path) -> Plain:
        value = node.value
        if not isinstance(value, str):
            return value
        if unfit := UNFIT.search(value):
            self._problem(node.place, _why_unfit(unfit[0]), path)
            self.flawed.add(path)
            return ""
        if self.env is not None and "${" in value:
            value = self._expanded(node, value, path, self.env)
            self.size += len(value)
            if self.size > BYTES_MAX:
                message = f"larger than {BYTES_MAX} characters once its variables are expanded"
                raise SyntaxFault(self.text.problem(node.place, message, path=dotted(path)))
        return resolve(value) if node.plain and path not in self.flawed else value

    def _expanded(self, node: Scalar, value: str, path: Path, env: MappingABC[str, str]) -> str:
        expanded, flaws = expand(value, env)
        for flaw in flaws:
            place = self._inside(node.place, value, flaw.offset, flaw.width)
            self._problem(place, flaw.message, path, flaw.hint)
            self.flawed.add(path)
        if SURROGATE.search(expanded):  # os.environ holds bytes that are no UTF-8 in this form
            self._problem(node.place, "a variable's value is no UTF-8", path)
            self.flawed.add(path)
        return "" if path in self.flawed else expanded

    def _inside(self, place: Place, value: str, offset: int, width: int) -> Place:
        """Point at the reference itself where the value stands in the line as it is."""
        line = self.text.lines[place.line - 1]
        for start in (place.column - 1, place.column):  # unquoted, quoted
            if line.startswith(value[: offset + width], start):
                return Place(place.line, start + offset + 1, width)
        return place

    def _problem(self, place: Place, message: str, path: Path, hint: str = "") -> None:
        if len(self.problems) == PROBLEMS_MAX:
            return
        self.problems.append(self.text.problem(place, message, path=dotted(path), hint=hint))
