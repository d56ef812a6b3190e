"""weir collector: receive, keep and show spans."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weir.commands.drain import FAILED, write_atomically

if TYPE_CHECKING:
    from tracing.pipeline.settings import Settings


def collector(  # noqa: PLR0913, PLR0917 - one parameter an option
    state_dir: Annotated[Path, typer.Option(help="Where spans are kept.", file_okay=False)],
    http_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="HTTP and gRPC; 0 takes a free one.  [default: 9411]"),
    ] = None,
    scribe_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Scribe, 9410 by custom; none is opened without."),
    ] = None,
    otlp_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="OTLP/HTTP, 4318 by custom; none is opened without."),
    ] = None,
    otlp_grpc_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="OTLP/gRPC, 4317 by custom; none is opened without."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    ready_file: Annotated[
        Path | None, typer.Option(help="JSON with the URLs, written once they answer.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="collector.yml: redaction, bounds of tags, tail sampling, export."),
    ] = None,
    keep_days: Annotated[float, typer.Option(min=0.001, help="Forget spans after this.")] = 7.0,
    keep_gib: Annotated[float, typer.Option(min=0.001, help="Forget the oldest past this.")] = 10.0,
    lens: Annotated[
        Path | None,
        typer.Option(help="Zipkin's own page for /zipkin/: the zipkin-lens jar, or it unpacked."),
    ] = None,
) -> None:
    """Receive, keep and show spans, as a Zipkin server does.

    weir collector --state-dir spans

    weir collector --state-dir spans --http-port 0 --ready-file ready.json

    weir collector --state-dir spans --scribe-port 9410 --otlp-port 4318

    weir collector --state-dir spans --config collector.yml --keep-days 30

    COLLECTOR_SAMPLE_RATE=0.1 weir collector --state-dir spans

    A Zipkin server's environment variables are honoured; for each of them that means nothing here
    a line says why. Its pages are at http://127.0.0.1:9411/traces.

    Exit codes: 0 done, 1 something is wrong, 2 the command was not understood.
    """
    from dataclasses import replace  # noqa: PLC0415 - other commands start without all these

    import uvloop  # noqa: PLC0415

    from tracing.pipeline.collector import CollectorError  # noqa: PLC0415
    from tracing.pipeline.collector_config import CollectorConfig  # noqa: PLC0415
    from tracing.pipeline.environment import (  # noqa: PLC0415
        SettingError,
        read_settings,
        warnings,
    )
    from tracing.ui.lens import LensError  # noqa: PLC0415
    from weir.commands.serving import read_config  # noqa: PLC0415

    try:
        settings = read_settings(os.environ)
        for line in warnings(os.environ):
            _say(line)
        settings = replace(
            settings,
            keep_ms=int(keep_days * 86_400_000),
            keep_bytes=int(keep_gib * (1 << 30)),
            http_port=settings.http_port if http_port is None else http_port,
            otlp_port=otlp_port,
            otlp_grpc_port=otlp_grpc_port,
            config=CollectorConfig() if config is None else read_config(CollectorConfig, config),
        )
        if scribe_port is not None:
            settings = replace(settings, scribe_enabled=True, scribe_port=scribe_port)
        uvloop.run(_serve(state_dir, host, settings, ready_file, lens))
    except (SettingError, CollectorError, LensError) as error:
        _say(str(error))
        raise typer.Exit(FAILED) from error


def _say(line: str) -> None:
    typer.echo(f"weir collector: {line}", err=True)


def _tell(ready_file: Path, places: dict[str, object]) -> None:
    import json  # noqa: PLC0415

    from tracing.pipeline.collector import CollectorError  # noqa: PLC0415

    try:
        write_atomically(ready_file, json.dumps({**places, "pid": os.getpid()}) + "\n")
    except OSError as error:
        raise CollectorError(f"cannot write {ready_file}: {error.strerror}") from error


async def _serve(
    state_dir: Path, host: str, settings: Settings, ready_file: Path | None, lens: Path | None
) -> None:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from tracing.pipeline.collector import (  # noqa: PLC0415
        Collector,
        CollectorError,
        bind_all,
        open_store,
    )
    from tracing.ui.lens import read_lens  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    lens_files = None if lens is None else read_lens(lens)
    # The ports first: a second collector must fail before it touches the other's store.
    ports = bind_all(host, settings)
    try:
        store = open_store(state_dir, settings)
    except CollectorError:
        for listener in ports.values():
            listener.close()
        raise
    running = Collector(store, settings, lens=lens_files, **ports)
    await running.start()
    try:
        if ready_file is not None:
            _tell(ready_file, running.places())
        _say(f"{running.url}/traces, spans in {store.name}")
        await stop.wait()
    finally:
        await running.aclose()
