"""weir collector: receive, keep and show spans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_StateDir = Annotated[Path, typer.Option(help="Where spans are kept.", file_okay=False)]
_HttpPort = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="HTTP and gRPC; 0 takes a free one.  [default: 9411]"),
]
_ScribePort = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="Scribe, 9410 by custom; none is opened without."),
]
_OtlpPort = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="OTLP/HTTP, 4318 by custom; none is opened without."),
]
_OtlpGrpcPort = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="OTLP/gRPC, 4317 by custom; none is opened without."),
]
_Host = Annotated[str, typer.Option(help="Address to listen on.")]
_ReadyFile = Annotated[
    Path | None, typer.Option(help="JSON with the URLs, written once they answer.")
]
_Config = Annotated[
    Path | None,
    typer.Option(help="collector.yml: redaction, bounds of tags, tail sampling, export."),
]
_KeepDays = Annotated[float, typer.Option(min=0.001, max=36_500, help="Forget spans after this.")]
_KeepGib = Annotated[
    float, typer.Option(min=0.001, max=1_000_000, help="Forget the oldest past this.")
]
_Lens = Annotated[
    Path | None,
    typer.Option(help="Zipkin's own page for /zipkin/: the zipkin-lens jar, or it unpacked."),
]


def collector(  # noqa: PLR0913, PLR0917 - one parameter an option
    state_dir: _StateDir,
    http_port: _HttpPort = None,
    scribe_port: _ScribePort = None,
    otlp_port: _OtlpPort = None,
    otlp_grpc_port: _OtlpGrpcPort = None,
    host: _Host = "127.0.0.1",
    ready_file: _ReadyFile = None,
    config: _Config = None,
    keep_days: _KeepDays = 7.0,
    keep_gib: _KeepGib = 10.0,
    lens: _Lens = None,
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
    from weir.commands.collecting import Options, run  # noqa: PLC0415 - imports the collector

    run(
        Options(
            state_dir=state_dir,
            http_port=http_port,
            scribe_port=scribe_port,
            otlp_port=otlp_port,
            otlp_grpc_port=otlp_grpc_port,
            host=host,
            ready_file=ready_file,
            config=config,
            keep_days=keep_days,
            keep_gib=keep_gib,
            lens=lens,
        )
    )
