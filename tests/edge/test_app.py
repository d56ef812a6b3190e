"""The application door: bodies pass as they come, failures are told, nothing is left behind."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from config import load
from edge.app import create_app
from edge.settings.edge_config import EdgeConfig
from tests.kits.mirror import mirror
from tests.kits.running import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette

CONFIG = """
hosts:
- {{host: www.hello.world, forward: "127.0.0.1:{port}"}}
- {{host: late.example, forward: "127.0.0.1:{port}", timeout_s: 0.3}}
- {{host: gone.example, forward: "127.0.0.1:{gone}"}}
"""


@asynccontextmanager
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://www.hello.world"
        ) as http,
    ):
        yield http


def app_of(port: int) -> Starlette:
    text = CONFIG.format(port=port, gone=free_port())
    return create_app(load(EdgeConfig, text, source="edge.yml"))


async def test_bodies_pass_both_ways() -> None:
    body = b"x" * 1_000_000

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 100_000):
            yield body[at : at + 100_000]

    with mirror("one") as one:
        async with client(app_of(one.port)) as http:
            whole = await http.post("/a?b=c", content=body)
            assert whole.status_code == 200
            assert whole.content.endswith(b"\r\n\r\n" + body)
            assert whole.content.startswith(b"POST /a?b=c HTTP/1.1\r\n")
            chunked = await http.post("/", content=pieces())
            assert chunked.content.count(b"x") >= len(body)
            assert b"ransfer-Encoding: chunked" in chunked.content
            head = await http.head("/")
            assert head.status_code == 200
            assert head.content == b""


async def test_failures_are_told_as_the_engine_tells_them() -> None:
    with mirror("one") as one:
        async with client(app_of(one.port)) as http:
            gone = await http.get("http://gone.example/", headers={"Accept": "application/json"})
            assert gone.status_code == 502
            assert gone.json()["stage"] == "upstream"
            one.silent = True
            late = await http.get("http://late.example/")
            assert late.status_code == 503
            assert (await http.get("http://nobody.test/")).text == "200 OK"
            assert (await http.get("/a%00b")).status_code == 400
