"""House rules that no linter holds: what stays pure, how long a module may grow."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUSE: Final = Path(__file__).parents[2]
ROOMS: Final = (
    "config", "demo", "dtab", "edge", "mesh", "naming", "proxy", "tracing", "weir", "wire",
)  # fmt: skip
MODULES: Final = sorted(module for room in ROOMS for module in (HOUSE / room).rglob("*.py"))
TESTS: Final = sorted((HOUSE / "tests").rglob("*.py"))

# Values in, values out: who calls them brings the clock, the dice and the sockets. A name that has
# no module yet binds the one to come.
PURE: Final = (
    "config/*.py",
    "dtab/*.py",
    "wire/*.py",
    "demo/{context,duration,echo_answer,flags,histogram,tally,way}.py",
    "edge/rules/*.py",
    "edge/grants/{desk,grant}.py",
    "edge/verdict/*.py",
    "edge/answers/{grant_page,pages,state_text}.py",
    "edge/settings/{compile,field_types,layout,origins}.py",
    "mesh/reload.py",
    "mesh/resilience/*.py",
    "mesh/faces/{answers,forwarded,identify}.py",
    "mesh/wiring/prefix.py",
    "naming/{bind,bound,delegate,endpoint,state,system,watch}.py",
    "tracing/{b3,context,exchange,l5d,propagation,sampler,span,thrift,w3c}.py",
    "tracing/encode/*.py",
    "tracing/pipeline/{batch,collector_config,environment,intake,links,model,normalise}.py",
    "tracing/pipeline/{sampling,search,settings,skew,tags,tree}.py",
    "tracing/pipeline/decode/*.py",
    "tracing/pipeline/grpc/message.py",
    "tracing/pipeline/http/{query_args,unpack}.py",
    "tracing/pipeline/store/{log/bodies,read/needles,read/ranking,index/words}.py",
    "tracing/pipeline/tail/*.py",
)
IMPURE: Final = frozenset(
    {"asyncio", "httpx", "logging", "random", "socket", "starlette", "time", "uvloop"}
)

LINES_MAX: Final = 300
# Modules that are longer, each with the length it may reach and the reason not to split it.
LONGER: Final = {
    "dtab/tree.py": (330, "one closed family with the functions over it, each an exhaustive match"),
    "mesh/routing/call.py": (375, "one request's way: endpoint, head, judgement, in that order"),
    "naming/bind.py": (350, "one walk with its own stack: its frames make no sense apart"),
    "proxy/downstream.py": (430, "one state machine: what a connection may do next in one place"),
    "proxy/exchange.py": (435, "one state machine: a request, its attempts and its answer"),
}
FUNCTION_LINES_MAX: Final = 60

# Split, so that this file does not carry the marks it looks for.
UNFINISHED: Final = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")


def name(module: Path) -> str:
    return module.relative_to(HOUSE).as_posix()


def pure_modules() -> list[Path]:
    found: set[Path] = set()
    for pattern in PURE:
        head, brace, rest = pattern.partition("{")
        names, _, tail = rest.partition("}")
        for one in names.split(",") if brace else [""]:
            found.update(HOUSE.glob(head + one + tail))
    return sorted(found)


def imports(tree: ast.AST) -> Iterator[str]:
    """Names of what runs an import; what only a type checker reads is left out."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING"), orelse=orelse):
                for other in orelse:
                    yield from imports(other)
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case _:
                yield from imports(node)


@pytest.mark.parametrize("module", pure_modules(), ids=name)
def test_a_pure_module_knows_no_clock_dice_or_socket(module: Path) -> None:
    found = {one for one in imports(ast.parse(module.read_text())) if one.split(".")[0] in IMPURE}
    assert not found, f"{name(module)} is pure; let its caller bring {', '.join(sorted(found))}"


def test_every_pure_pattern_but_those_to_come_names_a_module() -> None:
    assert len(pure_modules()) > len(PURE)


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_is_short_or_says_why_not(module: Path) -> None:
    length = len(module.read_text().splitlines())
    allowed, reason = LONGER.get(name(module), (LINES_MAX, "split it along its nouns"))
    assert length <= allowed, f"{name(module)} has {length} lines of {allowed}: {reason}"


@pytest.mark.parametrize("long", LONGER)
def test_a_reason_to_be_long_belongs_to_a_module(long: str) -> None:
    assert (HOUSE / long).exists(), f"{long} is gone: take it off the table"


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_function_fits_a_screen(module: Path) -> None:
    long = [
        f"{node.name} has {lines} lines"
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long, f"{name(module)}: {', '.join(long)}; {FUNCTION_LINES_MAX} is the most"


@pytest.mark.parametrize("module", [*MODULES, *TESTS], ids=name)
def test_nothing_is_left_unfinished(module: Path) -> None:
    marks = [
        f"line {number}: {found[0]}"
        for number, line in enumerate(module.read_text().splitlines(), start=1)
        if (found := UNFINISHED.search(line))
    ]
    assert not marks, f"{name(module)}, {', '.join(marks)}: finish it, or open an issue"
