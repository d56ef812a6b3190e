"""The `weir` command.

Each subcommand imports what it needs only when it runs: `weir --help` starts in a blink.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

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


def _mount() -> None:
    from weir.commands import dtab  # noqa: PLC0415
    from weir.commands.collector import collector  # noqa: PLC0415
    from weir.commands.edge import app as edge  # noqa: PLC0415
    from weir.commands.explain import explain  # noqa: PLC0415
    from weir.commands.grant import app as grant  # noqa: PLC0415
    from weir.commands.mesh import mesh  # noqa: PLC0415
    from weir.commands.up import up  # noqa: PLC0415

    app.command()(up)
    app.add_typer(edge, name="edge")
    app.add_typer(grant, name="grant")
    app.command()(explain)
    app.command()(mesh)
    app.command()(collector)
    app.add_typer(dtab.app, name="dtab")


def main() -> None:
    """The console script. Demo apps take Go's flags, so they read their arguments themselves."""
    if sys.argv[1:2] == ["demo"]:
        from demo.main import main as demo  # noqa: PLC0415

        raise SystemExit(demo(sys.argv[2:], os.environ))
    _mount()
    app(prog_name="weir")
