"""weir collector: receive, keep and show spans."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from tracing.pipeline.collector import Collector, CollectorError, bind, open_store
from tracing.pipeline.collector_config import CollectorConfig
from tracing.pipeline.settings import SettingError, Settings, read_settings
from tracing.ui.lens import LensError, read_lens
from weir.commands.serving import read_config


def _write_ready(path: Path, urls: dict[str, object]) -> None:
    """The whole file at once: a reader never sees half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(urls) + "\n")
    part.replace(path)


async def _serve(
    state_dir: Path,
    host: str,
    port: int,
    settings: Settings,
    ready_file: Path | None,
    lens: Path | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    lens_files = None if lens is None else read_lens(lens)
    # The port first: a second collector must fail before it touches the other's store.
    ports = {"http": bind(host, port)}
    try:
        if settings.scribe_enabled:
            ports["scribe"] = bind(host, settings.scribe_port)
        if settings.otlp_port is not None:
            ports["otlp"] = bind(host, settings.otlp_port)
        if settings.otlp_grpc_port is not None:
            ports["otlp_grpc"] = bind(host, settings.otlp_grpc_port)
        store = open_store(state_dir, settings)
    except CollectorError:
        for listener in ports.values():
            listener.close()
        raise
    collector = Collector(
        store,
        settings,
        ports["http"],
        ports.get("scribe"),
        lens_files,
        otlp=ports.get("otlp"),
        otlp_grpc=ports.get("otlp_grpc"),
    )
    await collector.start()
    try:
        if ready_file is not None:
            urls: dict[str, object] = {
                "collector": collector.url,
                "spans": f"{collector.url}/api/v2/spans",
                "scribe_port": collector.scribe_port,
                "otlp": collector.otlp_url,
                "otlp_grpc": collector.otlp_grpc_url,
                "pid": os.getpid(),
            }
            _write_ready(ready_file, urls)
        sys.stderr.write(f"collector: {collector.url}/traces, spans in {state_dir}\n")
        await stop.wait()
    finally:
        await collector.aclose()


def collector(  # noqa: PLR0913, PLR0917 - one parameter an option
    state_dir: Annotated[Path, typer.Option(help="Where spans are kept.", file_okay=False)],
    http_port: Annotated[
        int | None, typer.Option(help="HTTP port; 0 takes a free one. [default: 9411]")
    ] = None,
    scribe_port: Annotated[
        int | None, typer.Option(help="Scribe port, 9410 by custom; none is opened without.")
    ] = None,
    otlp_port: Annotated[
        int | None, typer.Option(help="OTLP/HTTP port, 4318 by custom; none is opened without.")
    ] = None,
    otlp_grpc_port: Annotated[
        int | None, typer.Option(help="OTLP/gRPC port, 4317 by custom; none is opened without.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    ready_file: Annotated[
        Path | None, typer.Option(help="JSON with the URLs, written once they answer.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="collector.yml: redaction, bounds of tags, tail sampling.")
    ] = None,
    keep_days: Annotated[float, typer.Option(min=0.001, help="Forget spans after this.")] = 7.0,
    keep_gib: Annotated[float, typer.Option(min=0.001, help="Forget the oldest past this.")] = 10.0,
    lens: Annotated[
        Path | None,
        typer.Option(help="Zipkin's own page for /zipkin/: the zipkin-lens jar, or it unpacked."),
    ] = None,
) -> None:
    """Receive, keep and show spans, as a Zipkin server does.

    Zipkin's environment variables (QUERY_PORT, COLLECTOR_SAMPLE_RATE, ...) are honoured.
    """
    try:
        settings = read_settings(os.environ)
        port = settings.http_port if http_port is None else http_port
        settings = replace(
            settings,
            keep_ms=int(keep_days * 86_400_000),
            keep_bytes=int(keep_gib * (1 << 30)),
            otlp_port=otlp_port,
            otlp_grpc_port=otlp_grpc_port,
            config=CollectorConfig() if config is None else read_config(CollectorConfig, config),
        )
        if scribe_port is not None:
            settings = replace(settings, scribe_enabled=True, scribe_port=scribe_port)
        uvloop.run(_serve(state_dir, host, port, settings, ready_file, lens))
    except (SettingError, CollectorError, LensError) as error:
        sys.stderr.write(f"weir collector: {error}\n")
        raise SystemExit(1) from error
