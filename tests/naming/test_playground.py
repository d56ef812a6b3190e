import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path as File
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.async_api import expect
from starlette.applications import Starlette

from dtab import Path, read_dtab, read_path
from naming.interpreter import ConfiguredInterpreter, Interpreter
from naming.namers.fs import FsNamer
from naming.playground import playground
from naming.transformers import ConstTransformer, PortTransformer, specific_host
from tests.kits.browser import MARKS, tab
from tests.kits.tables import TableNamer

CASES = json.loads((File(__file__).parents[1] / "vectors/data/delegator.json").read_text())["cases"]
PORTS = {"web": 8001, "other": 8002, "refused": 8003}
# What this application answers otherwise, and why.
DIFFERS = {
    "delegate: no path": "the original tells of a null pointer of its host language",
}


@pytest.fixture
async def namer(tmp_path: File) -> AsyncIterator[FsNamer]:
    for name, port in PORTS.items():
        (tmp_path / name).write_text(f"127.0.0.1 {port}\n")
    (tmp_path / "half").write_text("127.0.0.1 8001 * 0.5\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "broken").write_text("nonsense\n")
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "api").write_text("127.0.0.1 8002\n")
    async with FsNamer(tmp_path) as started:
        yield started


def interpreters(setup: str, namer: FsNamer) -> dict[str, Interpreter]:
    plain = ConfiguredInterpreter([namer])
    match setup:
        case "bare":
            return {"http": ConfiguredInterpreter([])}
        case "transformed":
            const = ConstTransformer(read_path("/#/io.l5d.fs/other"))
            return {
                "ported": ConfiguredInterpreter([namer], None, [PortTransformer(4141)]),
                "const": ConfiguredInterpreter([namer], None, [const]),
                "hosted": ConfiguredInterpreter([namer], None, [specific_host("127.0.0.9")]),
            }
        case _:
            return {"out": plain, "aux": plain}


def with_ports(text: str) -> str:
    for name, port in PORTS.items():
        text = text.replace("{{port:" + name + "}}", str(port))
    return text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_the_delegator_answers_as_linkerd_does(case: dict[str, Any], namer: FsNamer) -> None:
    if case["name"] in DIFFERS:
        return
    request, wanted = case["request"], case["expect"]
    app = playground(interpreters(case["setup"], namer))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://admin"
    ) as client:
        got = await client.request(
            request["method"],
            request["path"],
            headers=request["headers"],
            content=request.get("body", ""),
        )
    assert got.status_code == wanted["status"]
    assert got.text == with_ports(wanted["body"])
    for name in ("content-type", "connection"):
        if name in wanted["headers"]:
            assert got.headers[name] == wanted["headers"][name]


async def ask(app: Starlette, path: str, post: dict[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://admin"
    ) as client:
        return await (client.get(path) if post is None else client.post(path, json=post))


async def get(path: str, found: dict[str, Interpreter]) -> httpx.Response:
    return await ask(playground(found), path)


async def test_a_name_that_stays_pending_times_out() -> None:
    slow = TableNamer(Path.of("#", "s"), [{"match": "/x", "gives": "pending"}])
    found: dict[str, Interpreter] = {"out": ConfiguredInterpreter([slow])}
    got = await ask(
        playground(found, timeout_s=0.01), "/delegator.json?namespace=out&path=/%23/s/x"
    )
    assert (got.status_code, got.text) == (503, "Request timed out.")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("/a => " + "~ | " * 5_000 + "/a", "Max binding steps: 5000 reached in Namer lookup"),
        (
            "/a => /b & /c; /b => /a; /c => /" + "x" * 500_000,
            "Max delegation text: 16000000 characters reached",
        ),
    ],
    ids=["branches", "text"],
)
async def test_a_loop_of_long_entries_is_told_not_shown(table: str, said: str) -> None:
    app = playground({})
    got = await ask(app, "/delegator.json", {"dtab": table, "path": "/a"})
    assert (got.status_code, got.text) == (500, said)


async def test_a_question_over_a_mebibyte_is_refused() -> None:
    got = await ask(playground({}), "/delegator.json", {"dtab": "x" * 1_048_576, "path": "/a"})
    assert (got.status_code, got.text) == (413, "Delegation request over 1048576 bytes")


@pytest.mark.parametrize(
    "body",
    [
        b'{"namespace": [1], "dtab": "", "path": "/a"}',
        b'{"namespace": {}, "dtab": "", "path": "/a"}',
        b'{"namespace": "\\ud800", "dtab": "", "path": "/a"}',
        b'{"dtab": "/\\ud800 => /a", "path": "/a"}',
        b'{"dtab": "", "path": "/\\ud800"}',
        '{"dtab": "", "path": "/a"}'.encode("utf-16"),
        b'{"dtab": "", "path": "/\xff"}',
        b"[]",
        b"[" * 100_000,
    ],
)
async def test_a_question_that_is_none_is_shown_as_it_came(body: bytes) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=playground({})), base_url="http://admin"
    ) as client:
        headers = {"content-type": "application/json"}
        got = await client.post("/delegator.json", content=body, headers=headers)
    assert got.status_code == 400
    assert got.text == f"Malformed delegation request: {body.decode('utf-8', 'replace')}"


async def test_the_page_shows_what_is_wrong_with_a_caret(namer: FsNamer) -> None:
    found = interpreters("plain", namer)
    got = await get("/delegator?path=/a&dtab=/a%3D%3E%3E/b&local=nonsense", found)
    assert got.status_code == 200
    assert "dtab:1:5: simple expected but &#39;&gt;&#39; found" in got.text
    assert "local dtab:1:1: &#39;/&#39; expected but &#39;n&#39; found" in got.text
    looped = await get("/delegator?path=/a&dtab=/a%3D%3E/a", found)
    assert "Max recursion level: 100 reached in Namer lookup" in looped.text


async def test_the_page_escapes_what_was_typed(namer: FsNamer) -> None:
    got = await get("/delegator?path=%3Cscript%3E&local=%3Cb%3E", interpreters("plain", namer))
    assert "<script>" not in got.text
    assert "<b>" not in got.text


@pytest.fixture
async def address(namer: FsNamer) -> AsyncIterator[str]:
    tables = {"out": read_dtab("/svc => /#/io.l5d.fs")}
    app = playground(interpreters("plain", namer), tables)
    listener = socket.create_server(("127.0.0.1", 0))  # its backlog holds who comes early
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/delegator"
    server.should_exit = True
    await task


class TestInABrowser:
    pytestmark = MARKS

    async def test_a_person_types_a_path_and_a_local_dtab_and_sees_the_tree(
        self, address: str
    ) -> None:
        async with tab() as page:
            await page.goto(address)
            await page.get_by_label("Router").select_option("out")
            await page.get_by_label("Path").fill("/svc/web")
            await page.get_by_label("Base dtab").fill("/svc => /#/io.l5d.fs")
            await page.get_by_label("Local dtab").fill("/svc/web => /svc/gone | /svc/other")
            await page.get_by_role("button", name="Where does it go?").click()
            tree = page.get_by_role("tree")
            await expect(tree.get_by_role("treeitem")).to_have_count(6)
            chosen = tree.get_by_role("treeitem").filter(has_text="127.0.0.1:8002")
            await expect(chosen).to_contain_text("100.0%")
            await expect(chosen).to_contain_text("by /svc => /#/io.l5d.fs at dtab:1:1")
            lost = tree.get_by_role("treeitem").filter(has_text="127.0.0.1:8001")
            await expect(lost).to_contain_text("not reached")
            await page.get_by_label("Local dtab").fill("/svc/web =>")
            await page.keyboard.press("Enter")
            alert = page.get_by_role("alert")
            await expect(alert).to_contain_text("local dtab:1:12: simple expected")
