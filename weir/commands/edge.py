"""`weir edge`: the gateway, and its configuration file."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from weir.commands.crew import Crew
from weir.commands.drain import Drain, DrainDeadline, DrainDelay
from weir.commands.ending import FAILED, USAGE, cause, fail, read_text, rewrite
from weir.commands.serving import read_config, serve


class _FileOrCommand(TyperGroup):
    """`weir edge FILE` is `weir edge run FILE`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put `run` before what is no command, nor looks like one that was meant."""
        if args and args[0] not in self.commands and args[0] != "--help":
            meant = get_close_matches(args[0], self.commands, n=1)
            if meant and not Path(args[0]).exists():
                ctx.fail(f"No such command or file {args[0]!r}. Did you mean {meant[0]!r}?")
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FileOrCommand,
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Run the gateway for public traffic, and look after its file.\n\n"
        "weir edge edge.yml         run it\n\n"
        "weir edge check edge.yml   every problem at once\n\n"
        "weir edge fmt edge.yml     write it neatly\n\n"
        "weir edge diff A B         which hosts would go elsewhere\n\n"
        "weir edge import NGINX     an edge.yml that does what an nginx.conf does\n\n"
        "weir edge schema           JSON Schema, for editors\n\n"
        "SIGHUP, a change of the file and POST /reload on the admin port reload it."
    ),
)


@app.command("run")
def run(
    file: Annotated[Path | None, typer.Argument(help="edge.yml")] = None,
    config: Annotated[Path | None, typer.Option(help="The same, by name.")] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="Written once every port is bound.")
    ] = None,
    drain_delay_s: DrainDelay = 0.0,
    drain_deadline_s: DrainDeadline = 5.0,
) -> None:
    """Run the gateway.

    Example: weir edge edge.yml
    """
    from edge.admin.guard import AdminGuard  # noqa: PLC0415 - other commands start without it
    from edge.admin.joined import JOINED  # noqa: PLC0415
    from edge.process import EdgeProcess, addresses  # noqa: PLC0415
    from edge.settings.edge_config import EdgeConfig  # noqa: PLC0415
    from edge.settings.reload import ConfigSource  # noqa: PLC0415
    from proxy.workers import Address, Place  # noqa: PLC0415

    chosen = file or config
    if chosen is None or (file is not None and config is not None):
        fail("weir edge: name one configuration file", USAGE)
    checked = read_config(EdgeConfig, chosen)
    source = ConfigSource(chosen, os.environ)
    again = source.read()
    if isinstance(again, EdgeConfig):
        checked = again  # with the places of its values

    place = Place.from_environment(os.environ)

    def say(text: str) -> None:
        typer.echo(f"edge: {text}", err=True)

    serve(
        "edge",
        lambda: EdgeProcess(checked, source, say, place),
        ready_file,
        Crew(
            checked.workers,
            addresses(checked),
            Address("admin", checked.admin.ip, checked.admin.port),
            JOINED,
            lambda app: AdminGuard(app, checked.admin.hosts),
        ),
        Drain(delay_s=drain_delay_s, deadline_s=drain_deadline_s),
    )


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="edge.yml")],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell everything that is wrong with FILE, and what to think about."""
    from dataclasses import asdict  # noqa: PLC0415

    from config import ConfigError, load, read  # noqa: PLC0415
    from edge.settings.advice import advice  # noqa: PLC0415
    from edge.settings.edge_config import EdgeConfig  # noqa: PLC0415
    from edge.settings.placed import placed  # noqa: PLC0415
    from naming.namers.inet import InetResolver  # noqa: PLC0415
    from naming.system import SystemNamers  # noqa: PLC0415

    text = read_text(file)
    try:
        checked = load(EdgeConfig, text, source=str(file), env=os.environ)
    except ConfigError as error:
        if as_json:
            found = [asdict(one) for one in error.problems]
            sys.stdout.write(json.dumps({"problems": found, "warnings": []}) + "\n")
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    document = read(text, source=str(file), env=os.environ)
    now = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
    beside = advice(placed(checked, document, str(file)), [SystemNamers(InetResolver())], now)
    warnings = [*checked.warnings, *beside]
    if as_json:
        sys.stdout.write(json.dumps({"problems": [], "warnings": warnings}) + "\n")
        return
    for warning in warnings:
        typer.echo(f"{file}: warning: {warning}", err=True)
    hosts = len(checked.host_rules)
    rules = len(checked.trust)
    sys.stdout.write(
        f"{file}: fine; {hosts} host rule{'s' * (hosts != 1)}, "
        f"{rules} rule{'s' * (rules != 1)} of trust, "
        f"grants {'on' if checked.grants is not None else 'off'}"
        + (f"; {len(warnings)} warning{'s' * (len(warnings) != 1)}\n" if warnings else "\n")
    )


@app.command("fmt")
def fmt(
    file: Annotated[Path, typer.Argument(help="edge.yml")],
    write: Annotated[bool, typer.Option("--write", help="Change the file.")] = False,  # noqa: FBT002
) -> None:
    """Write FILE in its canonical layout, comments included."""
    from config import ConfigError  # noqa: PLC0415
    from edge.settings.layout import lay_out  # noqa: PLC0415

    text = read_text(file)
    try:
        laid_out = lay_out(text, source=str(file))
    except ConfigError as error:
        fail(str(error))
    if not write:
        sys.stdout.write(laid_out)
    elif laid_out != text:
        rewrite(file, laid_out)
        typer.echo(f"{file}: rewritten", err=True)


@app.command("diff")
def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="The file as it is.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="The file as it would be.")],
    admin: Annotated[
        str, typer.Option(help="A running gateway's admin port: how many requests that concerns.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell which hosts would go elsewhere, and with --admin how much traffic that is.

    Example: weir edge diff edge.yml new.yml --admin http://127.0.0.1:9992
    """
    from edge.settings.compared import compared  # noqa: PLC0415
    from edge.settings.edge_config import EdgeConfig  # noqa: PLC0415
    from naming.namers.inet import InetResolver  # noqa: PLC0415
    from naming.system import SystemNamers  # noqa: PLC0415

    sides = (read_config(EdgeConfig, before), read_config(EdgeConfig, after))
    counts = _service_counts(admin) if admin else None
    found = compared(*sides, [SystemNamers(InetResolver())], counts)
    if as_json:
        sys.stdout.write(json.dumps(found.as_json()) + "\n")
        return
    for line in found.lines():
        sys.stdout.write(f"{line}\n")
    told = f"{len(found.hosts)} of {found.places} hosts and paths change"
    if found.moved is not None:
        told += f"; {found.moved * 100:.3g} % of the requests since the start would go elsewhere"
    typer.echo(told, err=True)


def _service_counts(admin: str) -> dict[str, float]:
    """Requests by service, as a gateway's metrics have them."""
    import httpx  # noqa: PLC0415
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    try:
        answer = httpx.get(f"{admin.rstrip('/')}/metrics", timeout=10.0, trust_env=False)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"{admin}: {cause(error)}")
    counts: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.name == "weir_edge_service_requests_total":
                service = sample.labels["service"]
                counts[service] = counts.get(service, 0.0) + sample.value
    return counts


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="nginx.conf")],
) -> None:
    """Write an edge.yml that does what an nginx configuration does; tell what differs.

    Example: weir edge import nginx.conf > edge.yml
    """
    from config import ConfigError, load  # noqa: PLC0415
    from edge.nginx.importing import import_nginx  # noqa: PLC0415
    from edge.nginx.text import NginxSyntaxError  # noqa: PLC0415
    from edge.settings.edge_config import EdgeConfig  # noqa: PLC0415

    try:
        found = import_nginx(read_text(file))
    except NginxSyntaxError as error:
        fail(f"{file}:{error}")
    sys.stdout.write(found.text)
    for note in found.notes:
        typer.echo(f"{file}:{note}", err=True)
    for fault in found.faults:
        typer.echo(f"{file}:{fault}  <- decides on access or trust", err=True)
    try:
        load(EdgeConfig, found.text, source="edge.yml")
    except ConfigError as error:
        fail(f"what was written needs mending:\n{error}")
    if found.faults:
        raise typer.Exit(FAILED)


@app.command("schema")
def schema() -> None:
    """Write the JSON Schema of edge.yml."""
    from config import json_schema  # noqa: PLC0415
    from edge.settings.edge_config import EdgeConfig  # noqa: PLC0415

    sys.stdout.write(json.dumps(json_schema(EdgeConfig), indent=2) + "\n")
