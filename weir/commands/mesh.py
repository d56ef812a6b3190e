"""`weir mesh`: the routers of one node, from a Linkerd configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from weir.commands.drain import Drain, DrainDeadline, DrainDelay


def mesh(
    config: Annotated[Path, typer.Argument(help="Linkerd 1.x YAML (or JSON).")],
    ready_file: Annotated[
        Path | None, typer.Option(help="Written once every port is bound.")
    ] = None,
    drain_delay_s: DrainDelay = 0.0,
    drain_deadline_s: DrainDeadline = 5.0,
) -> None:
    """Run the routers of one node.

    Example: weir mesh examples/mesh/node.yml
    """
    from config import load  # noqa: PLC0415 - other commands start without it
    from mesh.config.linkerd_config import MeshConfig  # noqa: PLC0415
    from mesh.process import MeshProcess, addresses  # noqa: PLC0415
    from proxy.workers import Address, Place  # noqa: PLC0415
    from weir.commands.crew import Crew  # noqa: PLC0415
    from weir.commands.serving import read_config, serve  # noqa: PLC0415

    checked = read_config(MeshConfig, config)
    admin = Address("admin", checked.admin.ip, checked.admin.port)
    place = Place.from_environment(os.environ)

    def say(text: str) -> None:
        typer.echo(f"mesh: {text}", err=True)

    def again() -> MeshConfig:
        return load(MeshConfig, config.read_text("utf-8"), source=str(config), env=os.environ)

    serve(
        "mesh",
        lambda: MeshProcess(checked, place, say, again),
        ready_file,
        Crew(checked.workers, addresses(checked), admin),
        Drain(delay_s=drain_delay_s, deadline_s=drain_deadline_s),
    )
