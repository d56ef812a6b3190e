"""`weir up`: the whole system on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def up(
    state_dir: Annotated[
        Path, typer.Option(help="Configuration, discovery files, spans and logs.", file_okay=False)
    ] = Path("state"),
    edge_port: Annotated[
        int | None,
        typer.Option(help="Where the gateway listens. [default: 80, else 8080]", min=0, max=65_535),
    ] = None,
    collector_port: Annotated[
        int, typer.Option(help="Where traces are.", min=1, max=65_535)
    ] = 9411,
    edge_admin_port: Annotated[int, typer.Option(min=0, max=65_535)] = 9992,
    sample_rate: Annotated[
        float, typer.Option(help="Share of requests that are traced.", min=0.0, max=1.0)
    ] = 1.0,
    ready_file: Annotated[
        Path | None, typer.Option(help="JSON with addresses and pids, once everything answers.")
    ] = None,
) -> None:
    """Run gateway, two mesh nodes, demo pods and the trace collector here.

    Example: weir up --edge-port 8080
    """
    import uvloop  # noqa: PLC0415 - other commands start without it

    from weir.local.run import run  # noqa: PLC0415
    from weir.local.system import Options  # noqa: PLC0415

    options = Options(
        state_dir=state_dir.resolve(),
        edge_port=edge_port,
        collector_port=collector_port,
        edge_admin_port=edge_admin_port,
        sample_rate=sample_rate,
    )
    raise typer.Exit(uvloop.run(run(options, ready_file)))
