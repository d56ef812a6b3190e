"""The `weir` command.

Each subcommand imports what it needs only when it runs: `weir --help` starts in a blink.
"""

from __future__ import annotations

import os
import sys

import typer

app = typer.Typer(
    name="weir",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=(
        "Regulates requests and measures them: gateway, mesh, control plane, traces.\n\n"
        "weir up          the whole system on this machine\n\n"
        "weir edge FILE   the gateway\n\n"
        "weir mesh FILE   the routers of one node\n\n"
        "Exit codes: 0 done, 1 something is wrong, 2 the command was not understood."
    ),
)


def _mount() -> None:
    from weir.commands.collector import collector  # noqa: PLC0415
    from weir.commands.edge import edge  # noqa: PLC0415
    from weir.commands.mesh import mesh  # noqa: PLC0415
    from weir.commands.up import up  # noqa: PLC0415

    app.command()(up)
    app.command()(edge)
    app.command()(mesh)
    app.command()(collector)


def main() -> None:
    """The console script. Demo apps take Go's flags, so they read their arguments themselves."""
    if sys.argv[1:2] == ["demo"]:
        from demo.main import main as demo  # noqa: PLC0415

        raise SystemExit(demo(sys.argv[2:], os.environ))
    _mount()
    app(prog_name="weir")
