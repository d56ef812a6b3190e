"""`weir edge`: the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def edge(
    config: Annotated[Path, typer.Argument(help="edge.yml")],
    ready_file: Annotated[
        Path | None, typer.Option(help="Written once every port is bound.")
    ] = None,
) -> None:
    """Run the gateway for public traffic.

    Example: weir edge edge.yml
    """
    from edge.edge_config import EdgeConfig  # noqa: PLC0415 - other commands start without it
    from edge.process import EdgeProcess  # noqa: PLC0415
    from weir.commands.serving import read_config, serve  # noqa: PLC0415

    checked = read_config(EdgeConfig, config)
    serve("edge", lambda: EdgeProcess(checked), ready_file)
