"""YAML text as nodes with places, built from the parser's events.

Events, not PyYAML's composed nodes: only an alias event still knows where the alias stands, and
bounds on depth and aliases hold before anything is built.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from config.node import ALIASES_MAX, DEPTH_MAX, Alias, Mapping, Node, Scalar, Sequence, SyntaxFault
from config.problem import PROBLEMS_MAX, Place, Problem, Text

# libyaml took 4 ms for 33 kB where Python took 63; PyYAML's wheels carry it, a source build may
# not.
_LOADER: Final[Any] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

# What the parser says, and what we say instead.
_WORDS: Final = {
    "mapping values are not allowed": (
        "a second ': ' on one line",
        "put text that holds ': ' in quotes",
    ),
    "could not find expected ':'": ("a key without its ':'", "write `key: value`"),
    "did not find expected key": (
        "this line does not fit the indentation above it",
        "keys of one mapping start in one column",
    ),
    "did not find expected ',' or": (
        "this does not belong in a list or mapping in brackets",
        "put text that holds brackets, ${…} included, in quotes",
    ),
    "expected <block end>": (
        "this line does not fit the indentation above it",
        "keys of one mapping start in one column",
    ),
    "did not find expected '-'": (
        "a list item must start with '- '",
        "indent what belongs to the item above, or start it with '- '",
    ),
    "cannot start any token": (
        "this character cannot start a value",
        "put text that begins with it in quotes",
    ),
    "unexpected end of stream": ("a quote is opened and never closed", ""),
}


def read_yaml(text: Text) -> Node | None:
    """Read one YAML document; None if there is nothing but comments. Raises: SyntaxFault."""
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: Text) -> None:
        self._text = text
        self._events = yaml.parse(text.text, Loader=_LOADER)
        self._anchors: dict[str, Node | None] = {}  # None while the anchored node is being read
        self._aliases = 0

    def document(self) -> Node | None:
        root: Node | None = None
        documents = 0
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._fault(_place(event), "a second document", "one file, one document")
                root = self._node(self._next(), 0)
        if isinstance(root, Scalar) and root.plain and root.value == "":
            return None
        return root

    def _next(self) -> yaml.Event:
        try:
            return next(self._events)
        except yaml.YAMLError as error:
            raise self._translated(error) from None

    def _node(self, event: yaml.Event, depth: int) -> Node:
        place = _place(event)
        if depth > DEPTH_MAX:
            raise self._fault(place, f"nested deeper than {DEPTH_MAX} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "", place)
        anchor: str | None = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, place)
        elif isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(event, place, depth)
        else:
            node = self._sequence(event, place, depth)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _alias(self, anchor: str, place: Place) -> Alias:
        self._aliases += 1
        if self._aliases > ALIASES_MAX:
            raise self._fault(place, f"more than {ALIASES_MAX} aliases")
        if anchor not in self._anchors:
            raise self._fault(place, f"no anchor &{anchor} stands above this alias")
        target = self._anchors[anchor]
        if target is None:
            raise self._fault(place, f"the alias *{anchor} stands inside its own anchor")
        return Alias(target, place)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Scalar:
        self._refuse_tag(event.tag, place, "tag:yaml.org,2002:str", "!")
        plain = event.tag is None and not event.style
        # Plain text is resolved later: `${PORT}` is a number only once it is expanded.
        return Scalar(event.value, place, plain=plain)

    def _mapping(self, event: yaml.Event, place: Place, depth: int) -> Mapping:
        self._refuse_tag(getattr(event, "tag", None), place, "tag:yaml.org,2002:map", "!")
        pairs: list[tuple[Scalar, Node]] = []
        while not isinstance(inner := self._next(), yaml.MappingEndEvent):
            key = self._node(inner, depth + 1)
            while isinstance(key, Alias):
                key = key.target
            if not isinstance(key, Scalar):
                raise self._fault(key.place, "a key must be text, not a mapping or a list")
            pairs.append((key, self._node(self._next(), depth + 1)))
        return Mapping(tuple(pairs), place)

    def _sequence(self, event: yaml.Event, place: Place, depth: int) -> Sequence:
        self._refuse_tag(getattr(event, "tag", None), place, "tag:yaml.org,2002:seq", "!")
        items: list[Node] = []
        while not isinstance(inner := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(inner, depth + 1))
        return Sequence(tuple(items), place)

    def _refuse_tag(self, tag: str | None, place: Place, *known: str) -> None:
        if tag is not None and tag not in known:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            raise self._fault(place, f"the tag {shown} has no meaning here", "leave it out")

    def _fault(self, place: Place, message: str, hint: str = "") -> SyntaxFault:
        return SyntaxFault(self._text.problem(place, message, hint=hint))

    def _translated(self, error: yaml.YAMLError) -> SyntaxFault:
        if tabs := self._tabs():
            return SyntaxFault(*tabs)
        if not isinstance(error, yaml.MarkedYAMLError):
            return self._fault(Place(1, 1), "this is no YAML")
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        said = error.problem or "this is no YAML"
        message, hint = next(
            (words for sign, words in _WORDS.items() if sign in said), (f"no YAML: {said}", "")
        )
        start = error.context_mark
        if start is not None and "quote" in message:
            place = Place(start.line + 1, start.column + 1)
        return self._fault(place, message, hint)

    def _tabs(self) -> list[Problem]:
        """Every line that is indented by a tab; only asked once the parser has given up."""
        found = []
        for number, line in enumerate(self._text.lines, start=1):
            indent = line[: len(line) - len(line.lstrip(" \t"))]
            if "\t" in indent and line.strip():
                place = Place(number, indent.index("\t") + 1)
                found.append(
                    self._text.problem(place, "a tab cannot indent YAML", hint="use blanks")
                )
        return found[:PROBLEMS_MAX]


def _place(event: yaml.Event) -> Place:
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:  # typed so, though both parsers mark every event
        return Place(1, 1)
    one_line = isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) and start.line == end.line
    width = max(1, end.column - start.column) if one_line else 1
    return Place(start.line + 1, start.column + 1, width)
