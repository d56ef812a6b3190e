"""The `weir` command. Each subcommand imports what it needs only when it runs."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Final

import typer

# Modules of weir.commands, each with `app` or a function of its name.
_COMMANDS: Final = ("up", "edge", "grant", "explain", "mesh", "collector", "dtab")

app = typer.Typer(
    name="weir",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=(
        "Regulates requests and measures them: gateway, mesh, traces.\n\n"
        "weir up          the whole system on this machine\n\n"
        "weir edge FILE   the gateway\n\n"
        "weir mesh FILE   the routers of one node\n\n"
        "weir collector   receive, keep and show spans\n\n"
        "weir dtab …      explain, lint, compare and format routing rules\n\n"
        "weir demo …      demo apps and a load generator\n\n"
        "Exit codes: 0 done, 1 something is wrong, 2 the command was not understood."
    ),
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's way to call it
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        python = ".".join(map(str, sys.version_info[:3]))
        typer.echo(f"weir {version('weir')} (Python {python})")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    del version


def _mount(chosen: str) -> None:
    """Import the chosen command alone: all of them take most of a second."""
    for name in [chosen] if chosen in _COMMANDS else _COMMANDS:
        module = import_module(f"weir.commands.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))


def main() -> None:
    """The console script. Demo apps take Go's flags, so they read their arguments themselves."""
    if sys.argv[1:2] == ["demo"]:
        from demo.main import main as demo  # noqa: PLC0415

        raise SystemExit(demo(sys.argv[2:], os.environ))
    _mount("".join(sys.argv[1:2]))
    app(prog_name="weir")
