"""pydantic's errors as problems at places of the document.

pydantic's `loc` mixes keys of the document with names of union branches. Which is which is settled
by walking the document: the way is right whose end holds the input that the error complains about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from config.document import Document, Path, dotted
from config.known import Known, listed, nearest
from config.model import Refused
from config.problem import PROBLEMS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    from config.problem import Problem

DETAILS_MAX: Final = 10 * PROBLEMS_MAX  # of pydantic's, before branches of unions are merged
WAYS_MAX: Final = 4_096  # tried for one error before its nearest place is taken

WANTED: Final = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "string_sub_type"), "text"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "a list"),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"),
        "a mapping",
    ),
    "none_required": "nothing",
    "path_type": "a path",
}
SHOULD: Final = re.compile(
    r"^(Input|String|Value|List|Tuple|Set|Frozenset|Dictionary|Data|URL|Decimal input) should"
)
QUOTED_WORDS: Final = frozenset({"yes", "no", "on", "off", "true", "false", "y", "n"})
SHOWN_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class _Finding:
    path: Path
    message: str
    hint: str = ""
    wanted: str = ""  # of a wrong type: branches of one union are told together
    at_key: bool = False
    secret: bool = False


def translate(error: ValidationError, model: type[BaseModel], document: Document) -> list[Problem]:
    """Problems for what pydantic found, at most PROBLEMS_MAX; none for values flawed already."""
    known = Known(model, document.value)
    details = [one for one in error.errors(include_url=False) if not _follows(one)][:DETAILS_MAX]
    findings = [_finding(detail, _align(detail, document), known) for detail in details]
    around = {path[:end] for path in document.flawed for end in range(len(path))}
    fresh = [one for one in _merged(findings) if not _is_flawed(one, around, document.flawed)]
    return [_problem(one, document) for one in fresh[:PROBLEMS_MAX]]


def _problem(one: _Finding, document: Document) -> Problem:
    path = dotted(one.path)
    if one.at_key:
        place = document.key_place(one.path)
        # The value of a key that nobody knows may be a secret under a misspelt name.
        until = place.column + place.width + 1
        return document.text.problem(place, one.message, path=path, hint=one.hint, until=until)
    place = document.place(one.path)
    return document.text.problem(place, one.message, path=path, hint=one.hint, show=not one.secret)


def _is_flawed(one: _Finding, around: set[Path], flawed: frozenset[Path]) -> bool:
    """Whether it tells of a value that stands in for one with a problem of its own."""
    inside = any(one.path[:end] in flawed for end in range(len(one.path) + 1))
    return (inside or one.path in around) and not one.at_key


def _merged(findings: list[_Finding]) -> Iterator[_Finding]:
    """Tell the branches of a union as one: `wanted a number or text, got a list`."""
    paths = {one.path for one in findings}
    told: set[Path] = set()
    for one in findings:
        if not one.wanted:
            yield one
            continue
        deeper = any(len(p) > len(one.path) and p[: len(one.path)] == one.path for p in paths)
        if deeper or one.path in told:
            continue  # another branch had the right shape, and says more
        told.add(one.path)
        same = [other for other in findings if other.path == one.path and other.wanted]
        wanted = " or ".join(dict.fromkeys(other.wanted for other in same))
        hint = one.hint if len(same) == 1 else ""
        yield _Finding(one.path, one.message.format(wanted), hint, one.wanted)


def _finding(detail: ErrorDetails, path: Path, known: Known) -> _Finding:
    kind, ctx, given = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "secret":
        return _Finding(path, detail["msg"], secret=True)
    if kind == "missing":
        return _Finding(path, "this key is required")
    if kind == "extra_forbidden":
        return _Finding(path, "unknown key", known.hint(path), at_key=True)
    if kind == "union_tag_not_found":
        tag = str(ctx["discriminator"]).strip("'")
        return _Finding((*path, tag), "this key is required", _tags(path, tag, known))
    if kind in ("union_tag_invalid", "literal_error", "enum"):
        return _choice(ctx, given, path)
    if kind in WANTED:
        message = f"wanted {{}}, got {_shown(given).replace('{', '{{').replace('}', '}}')}"
        return _Finding(path, message, _type_hint(WANTED[kind], given), WANTED[kind])
    reason = ctx.get("error")
    if isinstance(reason, Refused):
        return _Finding((*path, *reason.at), reason.message, reason.hint)
    if isinstance(reason, Exception):
        return _Finding(path, str(reason) or "this value is refused")
    message = SHOULD.sub("must", detail["msg"]).replace(" after validation", "")
    if message != detail["msg"] and isinstance(given, str | int | float):
        message += f", got {_shown(given)}"
    return _Finding(path, message)


def _follows(detail: ErrorDetails) -> bool:
    """Whether it only counts items that are refused for a reason of their own."""
    if detail["type"] != "too_short":
        return False
    given = detail["input"]
    return isinstance(given, list | tuple) and len(given) >= detail["ctx"]["min_length"]


def _tags(path: Path, tag: str, known: Known) -> str:
    tags = known.constants(path, tag)
    return f"one of {listed(tags)}" if tags else ""


def _choice(ctx: dict[str, Any], given: object, path: Path) -> _Finding:
    """A value out of a closed list. pydantic hands the list over as one quoted text."""
    if "discriminator" in ctx:
        path = (*path, str(ctx["discriminator"]).strip("'"))
        given = ctx["tag"]
    expected = str(ctx.get("expected") or ctx.get("expected_tags") or "")
    choices = re.findall(r"'([^']*)'", expected) or [expected]
    near = nearest(given, choices) if isinstance(given, str) else ""
    message = f"wanted one of {listed(choices)}" if len(choices) > 1 else f"wanted {choices[0]}"
    hint = f"did you mean {near}?" if near else ""
    return _Finding(path, f"{message}, got {_shown(given)}", hint)


def _shown(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            text = value if len(value) <= SHOWN_MAX else value[:SHOWN_MAX] + "…"
            return f"the text {text!r}"
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"


def _type_hint(wanted: str, given: object) -> str:
    if wanted == "true or false" and isinstance(given, str) and given.lower() in QUOTED_WORDS:
        return "only true and false are booleans, without quotes"
    if "number" in wanted and isinstance(given, str) and re.fullmatch(r"[-+]?[0-9.]+", given):
        return f"leave out the quotes: {given}"
    if wanted == "text" and isinstance(given, bool | int | float):
        return "put it in quotes"
    if wanted == "a list" and given is not None and not isinstance(given, list):
        return "start each item with '- '"
    return ""


def _align(detail: ErrorDetails, document: Document) -> Path:
    """Find the path that `loc` means, missing key included."""
    loc, kind = detail["loc"], detail["type"]
    if kind == "missing":
        for path, value in _ways(loc[:-1], document):
            if isinstance(value, dict) and loc[-1] not in value and value == detail["input"]:
                return (*path, loc[-1])
        return (*_nearest_way(loc[:-1], document), loc[-1])
    for path, value in _ways(loc, document):
        if value == detail["input"] and (kind != "extra_forbidden" or path[-1:] == loc[-1:]):
            return path
    return _nearest_way(loc, document)


def _has(value: object, step: str | int) -> TypeGuard[Any]:
    if isinstance(step, int):
        return isinstance(value, list) and step < len(value)
    return isinstance(value, dict) and step in value


def _nearest_way(loc: Path, document: Document) -> Path:
    return next(_ways(loc, document), ((), None))[0]


def _ways(loc: Path, document: Document) -> Iterator[tuple[Path, object]]:
    """Every reading of `loc`, those first that take more of its steps for the document's own."""

    def walk(value: object, path: Path, rest: Path) -> Iterator[tuple[Path, object]]:
        if not rest:
            yield path, value
            return
        step = rest[0]
        if _has(value, step):
            yield from walk(value[step], (*path, step), rest[1:])
        yield from walk(value, path, rest[1:])

    return islice(walk(document.value, (), loc), WAYS_MAX)
