"""`weir mesh`: the routers of one node, from a Linkerd configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mesh(
    config: Annotated[Path, typer.Argument(help="Linkerd 1.x YAML (or JSON).")],
    ready_file: Annotated[
        Path | None, typer.Option(help="Written once every port is bound.")
    ] = None,
) -> None:
    """Run the routers of one node.

    Example: weir mesh examples/node.yml
    """
    from mesh.linkerd_config import MeshConfig  # noqa: PLC0415 - other commands start without it
    from mesh.process import MeshProcess  # noqa: PLC0415
    from weir.commands.serving import read_config, serve  # noqa: PLC0415

    checked = read_config(MeshConfig, config)
    serve("mesh", lambda: MeshProcess(checked), ready_file)
