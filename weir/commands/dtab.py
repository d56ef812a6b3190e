"""weir dtab: ask a table why, check it, compare it, write it neatly."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path as File
from typing import Annotated

import typer

from dtab import Dtab, DtabSyntaxError, Path, read_dtab, read_path, version
from dtab.layout import RoundedWeightError, lay_out
from naming.bound import Bound
from naming.compare import AnyName, Move, Way, moves
from naming.delegate import delegate
from naming.delegation import BoundEnd
from naming.delegator import TextExceeded, to_json
from naming.explain import Explained, explain, lines
from naming.interpreter import ConfiguredInterpreter
from naming.lint import Finding, lint
from naming.namer import Namer
from naming.namers.fs import FsNamer
from naming.namers.inet import InetResolver
from naming.state import Failed, Ok, Pending
from naming.system import SystemNamers
from naming.waiting import answered
from weir.commands.ending import USAGE, fail, read_text, rewrite

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Ask a routing table why, check it, compare it, write it neatly.\n\n"
        "weir dtab explain /svc/web --dtab base.dtab --fs disco/\n\n"
        "weir dtab lint base.dtab\n\n"
        "weir dtab diff old.dtab new.dtab --names names.txt\n\n"
        "weir dtab fmt base.dtab --write\n\n"
        "weir dtab version base.dtab\n\n"
        "Exit codes: 0 done, 1 something is wrong, 2 the command was not understood."
    ),
)

# How long explain waits for hosts to resolve before it shows them as not known yet.
RESOLVE_S = 2.0

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Fs = Annotated[
    File | None,
    typer.Option("--fs", help="Address files, served at /#/io.l5d.fs.", file_okay=False),
]


def say(text: str) -> None:
    """A result, on stdout."""
    sys.stdout.write(f"{text}\n")


def read_table(file: File) -> Dtab:
    """The table in a file; an error in it ends the command, with its line and a caret."""
    try:
        return read_dtab(read_text(file), str(file))
    except DtabSyntaxError as error:
        fail(error.display(str(file)))


def parse(read: Callable[[str], Path], text: str, what: str) -> Path:
    """A word of the command line; an error in it is an error of usage."""
    try:
        return read(text)
    except DtabSyntaxError as error:
        fail(error.display(what), USAGE)


def namers_of(fs: File | None) -> list[Namer]:
    """The namers for the command line: address files, and the system's."""
    if fs is not None and not fs.is_dir():
        fail(f"{fs}: no such directory; --fs names one that holds address files", USAGE)
    found: list[Namer] = [FsNamer(fs)] if fs is not None else []
    return [*found, SystemNamers(InetResolver())]


@app.command("explain")
def explain_(
    path: Annotated[str, typer.Argument(help="A service name, such as /svc/web.")],
    dtab: Annotated[
        list[File] | None, typer.Option("--dtab", help="A table; later ones override.")
    ] = None,
    local: Annotated[str, typer.Option(help="A request's own l5d-dtab.")] = "",
    fs: Fs = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way to declare a flag
) -> None:
    """Show every dentry that is tried for PATH, why it loses, and where the traffic goes."""
    name = parse(read_path, path, "PATH")
    table = sum((read_table(file) for file in dtab or ()), Dtab())
    try:
        table += read_dtab(local, "--local")
    except DtabSyntaxError as error:
        fail(error.display("--local"), USAGE)
    asyncio.run(_explain(name, table, namers_of(fs), as_json=as_json))


async def _explain(name: Path, table: Dtab, namers: list[Namer], *, as_json: bool) -> None:
    interpreter = ConfiguredInterpreter(namers)
    told = explain(name, table, namers)
    await _resolve(told)
    if as_json:
        delegated = delegate(name, table, namers).state
        if isinstance(delegated, Ok):
            try:
                say(json.dumps(to_json(delegated.value)))
            except TextExceeded as too_much:
                fail(f"{too_much}; without --json a line a node is shown")
    elif isinstance(told, Ok):
        for line in lines(told.value):
            say(line)
    watch = interpreter.bind(table, name)
    match watch.state:
        case Ok(tree):
            if not as_json:
                say(f"\n{name} is bound to {tree}")
        case Pending():
            fail(f"{name}: still pending")
        case Failed(error):
            fail(f"{name}: {error}")


async def _resolve(told: "Ok[Explained] | Pending | Failed") -> None:
    """Wait a little until the addresses of all bound names are known."""
    if not isinstance(told, Ok):
        return
    bounds: list[Bound] = []
    todo = [told.value]
    while todo:
        top = todo.pop()
        if isinstance(top.node, BoundEnd):
            bounds.append(top.node.bound)
        todo.extend(top.parts)
    waits = [answered(bound.addr) for bound in bounds]
    try:
        async with asyncio.timeout(RESOLVE_S):
            await asyncio.gather(*waits, return_exceptions=True)
    except TimeoutError:
        sys.stderr.write(f"some hosts were not resolved within {RESOLVE_S:g} s\n")


@app.command("lint")
def lint_(
    file: Annotated[File, typer.Argument(help="A table.")],
    as_json: AsJson = False,  # noqa: FBT002 - typer's way to declare a flag
) -> None:
    """Report what is odd about a table: unreachable, looping, leading nowhere, shadowing."""
    findings = lint(read_table(file))
    if as_json:
        say(json.dumps([_finding(finding) for finding in findings]))
    else:
        for finding in findings:
            say(str(finding))
    if findings:
        fail(f"{len(findings)} finding{'s' if len(findings) > 1 else ''} in {file}")


def _finding(finding: Finding) -> dict[str, object]:
    place = finding.place
    return {
        "code": finding.code,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "col": place.col if place else None,
        "message": finding.message,
        "hint": finding.hint,
    }


@app.command("diff")
def diff(
    before: Annotated[File, typer.Argument(metavar="A", help="The table as it is.")],
    after: Annotated[File, typer.Argument(metavar="B", help="The table as it would be.")],
    names: Annotated[File, typer.Option(help="Service names to compare, one a line.")],
    fs: Fs = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way to declare a flag
) -> None:
    """List which names would go elsewhere, and with which shares."""
    wanted = _read_names(names)
    namers: list[Namer] = namers_of(fs)
    if fs is None:
        namers.insert(0, AnyName())
    found = moves(read_table(before), read_table(after), wanted, namers)
    if as_json:
        say(json.dumps([_move(move) for move in found]))
        return
    for move in found:
        say(f"{move.name}  {move.moved:.4g} of its traffic moves")
        say(f"  was {move.before}")
        say(f"  is  {move.after}")
    sys.stderr.write(f"{len(found)} of {len(wanted)} names go elsewhere\n")


def _read_names(file: File) -> list[Path]:
    found: list[Path] = []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if line.strip() and not line.strip().startswith("#"):
            found.append(parse(read_path, line, f"{file}, name on line {number}"))
    return found


def _move(move: Move) -> dict[str, object]:
    return {
        "name": str(move.name),
        "moved": move.moved,
        "before": _way(move.before),
        "after": _way(move.after),
    }


def _way(way: Way) -> dict[str, object]:
    if way.error:
        return {"error": way.error}
    return {
        "shares": [
            {
                "id": str(target.id) if target else None,
                "residual": str(target.residual) if target else None,
                "share": share,
            }
            for target, share in way.shares.items()
        ]
    }


@app.command("fmt")
def fmt(
    file: Annotated[File, typer.Argument(help="A table.")],
    write: Annotated[bool, typer.Option("--write", help="Change the file.")] = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002 - typer's way to declare a flag
) -> None:
    """Write a table in its canonical, aligned form, comments included."""
    text = read_text(file)
    try:
        laid_out = lay_out(text)
    except DtabSyntaxError as error:
        fail(error.display(str(file)))
    except RoundedWeightError as error:
        fail(f"{file}: {error}; write it with two, or leave the file as it is")
    if as_json:
        entries = read_dtab(laid_out).entries
        say(json.dumps([{"prefix": str(e.prefix), "dst": str(e.dst)} for e in entries]))
    elif not write:
        sys.stdout.write(laid_out)
    if write and laid_out != text:
        rewrite(file, laid_out)
        sys.stderr.write(f"{file}: rewritten\n")


@app.command("version")
def show_version(
    file: Annotated[File, typer.Argument(help="A table.")],
    as_json: AsJson = False,  # noqa: FBT002 - typer's way to declare a flag
) -> None:
    """Write a table's version: what spans call it by in their tag dtab.version."""
    try:
        told = version(read_dtab(read_text(file)))
    except DtabSyntaxError as error:
        fail(error.display(str(file)))
    say(json.dumps({"version": told}) if as_json else told)
