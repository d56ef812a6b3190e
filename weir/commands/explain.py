"""`weir explain`: why a request goes, or went, where it goes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from weir.commands.serving import FAILED, USAGE, read_config

if TYPE_CHECKING:
    from edge.explain import Answered, Question

TIMEOUT_S = 10.0


def _fail(message: str, code: int = FAILED) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


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
    admin: Annotated[str, typer.Option(help="URL of a running gateway's admin port.")] = "",
    trace: Annotated[str, typer.Option(help="A trace's id: why it went where it went.")] = "",
    collector: Annotated[str, typer.Option()] = "http://127.0.0.1:9411",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell step by step what the gateway does with a request, and why.

    Example: weir explain http://www.hello.world/ --config edge.yml --cookie a=b

    weir explain http://www.hello.world/ --admin http://127.0.0.1:9992 -H 'l5d-dtab: /a => /b'

    weir explain --trace 5f0c2a9e1b3d4c6f
    """
    if trace:
        _past(trace, collector, as_json=as_json)
        return
    if not url or (config is None) == (not admin):
        _fail("weir explain: give a URL with --config or --admin, or --trace", USAGE)
    from edge.explain import BadQuestion, Question  # noqa: PLC0415 - others start without it

    headers = [_pair(text) for text in header or ()]
    if cookie:
        headers.append(("Cookie", cookie))
    if grant:
        headers.append(("weir-grant", grant))
    question = Question(url=url, method=method, headers=tuple(headers), client=client)
    try:
        told = asyncio.run(_offline(question, config)) if config else _live(question, admin)
    except BadQuestion as error:
        _fail(str(error), USAGE)
    if as_json:
        said = told if isinstance(told, dict) else told.as_json()
        sys.stdout.write(json.dumps({k: v for k, v in said.items() if k != "text"}) + "\n")
        return
    for line in told["text"] if isinstance(told, dict) else told.lines():
        sys.stdout.write(f"{line}\n")


def _pair(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        _fail(f"-H {text}: write 'Name: value'", USAGE)
    return name.strip(), value.strip()


async def _offline(question: Question, file: Path) -> Answered:
    """By a configuration alone; files of namers, grant keys and withdrawn grants are read."""
    from edge.assembly import assemble  # noqa: PLC0415
    from edge.edge_config import EdgeConfig  # noqa: PLC0415
    from edge.explain import explain_request  # noqa: PLC0415
    from edge.face import EdgeFace  # noqa: PLC0415
    from mesh.wiring import Namers, make_transformers  # noqa: PLC0415
    from naming.interpreter import ConfiguredInterpreter  # noqa: PLC0415

    config = read_config(EdgeConfig, file)
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
        _fail(f"{admin}: {error}")
    if answer.status_code != httpx.codes.OK:
        _fail(f"{admin}: {answer.status_code} {answer.text.strip()}")
    told: dict[str, Any] = answer.json()
    return told


def _past(trace: str, collector: str, *, as_json: bool) -> None:
    import httpx  # noqa: PLC0415

    from edge.past import past_lines  # noqa: PLC0415

    if not trace.isalnum() or len(trace) > 32:  # noqa: PLR2004 - hex digits of 16 bytes
        _fail(f"{trace} is no trace id", USAGE)
    url = f"{os.fspath(collector).rstrip('/')}/api/v2/trace/{trace}"
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _fail(f"{collector}: {error}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        _fail(f"{collector} knows no trace {trace}: it was not sampled, or is forgotten")
    if answer.status_code != httpx.codes.OK:
        _fail(f"{collector}: {answer.status_code}")
    spans = answer.json()
    if as_json:
        sys.stdout.write(json.dumps(spans) + "\n")
        return
    for line in past_lines(spans):
        sys.stdout.write(f"{line}\n")
