"""`weir explain`: why a request goes, or went, where it goes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weir.commands.ending import USAGE, cause, fail
from weir.commands.painted import show
from weir.commands.serving import read_config

if TYPE_CHECKING:
    from edge.explain import Answered, Question

TIMEOUT_S = 10.0
_TRACE_ID = re.compile("(?:[0-9a-fA-F]{16}){1,2}")
ADMIN = "http://127.0.0.1:9992"


def explain(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    url: Annotated[str, typer.Argument(help="Such as http://www.hello.world/")] = "",
    header: Annotated[
        list[str] | None, typer.Option("-H", "--header", help="'Name: value', as for curl.")
    ] = None,
    method: Annotated[str, typer.Option("-X", "--method")] = "GET",
    cookie: Annotated[str, typer.Option(help="name=value; name=value")] = "",
    grant: Annotated[str, typer.Option(help="A grant's token.")] = "",
    client: Annotated[str, typer.Option(help="The client's address.")] = "192.0.2.1",
    config: Annotated[Path | None, typer.Option(help="edge.yml: what it would do.")] = None,
    admin: Annotated[
        str, typer.Option(help=f"URL of a running gateway's admin port.  [default: {ADMIN}]")
    ] = "",
    trace: Annotated[str, typer.Option(help="A trace's id: why it went where it went.")] = "",
    collector: Annotated[str, typer.Option()] = "http://127.0.0.1:9411",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell step by step what the gateway does with a request, and why.

    Example: weir explain http://www.hello.world/ -H 'l5d-dtab: /host/world => /srv/world-v2'

    weir explain http://www.hello.world/ --config edge.yml --cookie a=b

    weir explain --trace 5f0c2a9e1b3d4c6f

    The first asks the running gateway; the second a file; the third the collector, about the past.
    """
    if bool(trace) == bool(url) or (config is not None and admin):
        fail("weir explain: give a URL (and --config or --admin), or --trace", USAGE)
    if trace:
        _past(trace, collector, as_json=as_json)
        return
    from edge.explain import BadQuestion, Question  # noqa: PLC0415 - others start without it

    headers = [_pair(text) for text in header or ()]
    if cookie:
        headers.append(("Cookie", cookie))
    if grant:
        headers.append(("weir-grant", grant))
    question = Question(url=url, method=method, headers=tuple(headers), client=client)
    try:
        told = (
            asyncio.run(_offline(question, config)) if config else _live(question, admin or ADMIN)
        )
    except BadQuestion as error:
        fail(str(error), USAGE)
    if as_json:
        said = told if isinstance(told, dict) else told.as_json()
        sys.stdout.write(json.dumps({k: v for k, v in said.items() if k != "text"}) + "\n")
        return
    show(told["text"] if isinstance(told, dict) else told.lines())


def _pair(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        fail(f"-H {text}: write 'Name: value'", USAGE)
    return name.strip(), value.strip()


async def _offline(question: Question, file: Path) -> Answered:
    """By a configuration alone; files of namers, grant keys and withdrawn grants are read."""
    from edge.answers.face import EdgeFace  # noqa: PLC0415
    from edge.assembly import assemble  # noqa: PLC0415
    from edge.explain import explain_request  # noqa: PLC0415
    from edge.settings.edge_config import EdgeConfig  # noqa: PLC0415
    from edge.settings.reload import ConfigSource  # noqa: PLC0415
    from mesh.wiring.routers import Namers, make_transformers  # noqa: PLC0415
    from naming.interpreter import ConfiguredInterpreter  # noqa: PLC0415

    config = read_config(EdgeConfig, file)
    again = ConfigSource(file, os.environ).read()
    if isinstance(again, EdgeConfig):
        config = again  # with the places of its values
    assembly = assemble(config)
    for problem in assembly.files.problems if assembly.files is not None else ():
        typer.echo(f"warning: {problem}", err=True)
    namers = Namers(config.namers)
    await namers.start()
    try:
        interpreter = ConfiguredInterpreter(
            namers.namers, transformers=make_transformers(config.transformers)
        )
        return await explain_request(
            question, EdgeFace(assembly.face), assembly.router, interpreter
        )
    finally:
        await namers.aclose()


def _live(question: Question, admin: str) -> dict[str, Any]:
    import httpx  # noqa: PLC0415

    asked = {
        "url": question.url,
        "method": question.method,
        "headers": question.headers,
        "client": question.client,
    }
    try:
        answer = httpx.post(
            f"{admin.rstrip('/')}/explain", json=asked, timeout=TIMEOUT_S, trust_env=False
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(
            f"{admin}: {cause(error)}\n"
            "  hint: is the gateway running? --config FILE explains without one, "
            "--admin URL asks another"
        )
    if answer.status_code != httpx.codes.OK:
        fail(f"{admin}: {answer.status_code} {answer.text.strip()}")
    told: dict[str, Any] = answer.json()
    return told


def _past(trace: str, collector: str, *, as_json: bool) -> None:
    import httpx  # noqa: PLC0415

    from tracing.pipeline.decode.v2_json import decode_lenient  # noqa: PLC0415
    from tracing.pipeline.model import SpanError  # noqa: PLC0415
    from tracing.ui.story import lines, story  # noqa: PLC0415
    from tracing.ui.view import waterfall  # noqa: PLC0415

    if not _TRACE_ID.fullmatch(trace):
        fail(f"{trace} is no trace id: 16 or 32 hex digits", USAGE)
    url = f"{os.fspath(collector).rstrip('/')}/api/v2/trace/{trace}"
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"{collector}: {cause(error)}\n  hint: --collector URL asks another")
    if answer.status_code == httpx.codes.NOT_FOUND:
        fail(f"{collector} knows no trace {trace}: it was not sampled, or is forgotten")
    if answer.status_code != httpx.codes.OK:
        fail(f"{collector}: {answer.status_code}")
    try:
        spans = decode_lenient(answer.content)
    except SpanError as error:
        fail(f"{collector} does not answer as a collector does: {error}")
    if not spans:
        fail(f"{collector} does not answer as a collector does: a trace without spans")
    steps = story(waterfall(spans))
    if as_json:
        sys.stdout.write(json.dumps([step.as_json() for step in steps]) + "\n")
        return
    show(lines(steps))
