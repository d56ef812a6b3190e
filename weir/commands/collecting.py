"""The collector as a process: options and environment to one that runs until a signal."""

import asyncio
import gc
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import typer
import uvloop

from tracing.pipeline.collector import SWITCH_S, Collector, CollectorError, bind_all, open_store
from tracing.pipeline.collector_config import CollectorConfig
from tracing.pipeline.environment import SettingError, read_settings, warnings
from tracing.pipeline.settings import Settings
from tracing.ui.lens import LensError, read_lens
from weir.commands.descriptors import take_descriptors
from weir.commands.ending import FAILED
from weir.commands.ready import ReadyFileError, tell_ready

# Of the store, its readers, the log and the loop; and how many ports there may be.
_OWN_DESCRIPTORS: Final = 128
_PORTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says; a port that is None is the environment's affair, or shut."""

    state_dir: Path
    http_port: int | None
    scribe_port: int | None
    otlp_port: int | None
    otlp_grpc_port: int | None
    host: str
    ready_file: Path | None
    config: Path | None
    keep_days: float
    keep_gib: float
    lens: Path | None


def run(options: Options) -> None:
    """Run until SIGTERM or SIGINT. What is wrong is said in a line and ends with exit code 1."""
    try:
        settings = _settings(options)
        sys.setswitchinterval(SWITCH_S)
        uvloop.run(_serve(options, settings))
    except (SettingError, CollectorError, LensError, ReadyFileError) as error:
        _say(str(error))
        raise typer.Exit(FAILED) from error


def _within(config: CollectorConfig, descriptors: int) -> CollectorConfig:
    """The configuration with no more connections than the system lets us have."""
    limits = config.limits
    each = max((descriptors - _OWN_DESCRIPTORS) // _PORTS, 1)
    if limits.connections_max <= each:
        return config
    _say(f"{each} connections a port at most, because {descriptors} files may be open (ulimit -n)")
    fewer = limits.model_copy(update={"connections_max": each})
    return config.model_copy(update={"limits": fewer})


def _say(line: str) -> None:
    typer.echo(f"weir collector: {line}", err=True)


def _settings(options: Options) -> Settings:
    """The environment's, then the options'. Raises: SettingError."""
    settings = read_settings(os.environ)
    for line in warnings(os.environ):
        _say(line)
    settings = replace(
        settings,
        keep_ms=int(options.keep_days * 86_400_000),
        keep_bytes=int(options.keep_gib * (1 << 30)),
        otlp_port=options.otlp_port,
        otlp_grpc_port=options.otlp_grpc_port,
        config=_within(_config(options.config), take_descriptors()),
    )
    if options.http_port is not None:
        settings = replace(settings, http_port=options.http_port)
    if options.scribe_port is not None:
        settings = replace(settings, scribe_enabled=True, scribe_port=options.scribe_port)
    return settings


def _config(file: Path | None) -> CollectorConfig:
    if file is None:
        return CollectorConfig()
    # The engine of gateway and mesh comes with it, a sixth of this command's start.
    from weir.commands.serving import read_config  # noqa: PLC0415

    return read_config(CollectorConfig, file)


async def _serve(options: Options, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    lens = None if options.lens is None else read_lens(options.lens)
    # The ports first: a second collector must fail before it touches the other's store.
    ports = bind_all(options.host, settings)
    try:
        store = open_store(options.state_dir, settings)
    except CollectorError:
        for listener in ports.values():
            listener.close()
        raise
    collector = Collector(store, settings, lens=lens, **ports)
    await collector.start()
    try:
        places = collector.places()
        tell_ready(options.ready_file, {**places, "pid": os.getpid()})
        _say(f"{collector.url}/traces, spans in {store.name}")
        for name in ("scribe_port", "otlp", "otlp_grpc"):
            if places[name] is not None:
                _say(f"{name.replace('_', ' ')} {places[name]}")
        # What is here now stays. To look through all of it again holds up every sender for 50 ms.
        gc.collect()
        gc.freeze()
        await stop.wait()
    finally:
        await collector.aclose()
