"""What an answer may not tell, the heads before it may not tell either."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kits.serving import mesh_config, serving
from tests.kits.sockets import GREETING, connected, upstream

if TYPE_CHECKING:
    from pathlib import Path

HINTS = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nl5d-err: inside\r\nweir-x: inside\r\n"
    b"Server-Timing: inside\r\ntraceresponse: 00-inside\r\nX-Build: inside\r\n"
    b"Via: 1.1 inside\r\n\r\n"
)
GATEWAY = """
listener: {{ip: 127.0.0.1, port: 0}}
admin: {{port: 0}}
hosts:
- {{host: web, forward: "127.0.0.1:{port}", headers: {{response: {{remove: [X-Build]}}}}}}
"""


@pytest.mark.parametrize("command", ["edge", "mesh"])
async def test_a_stranger_is_told_no_more_by_a_hint_than_by_an_answer(
    tmp_path: Path, command: str
) -> None:
    async with upstream(lambda _: HINTS + GREETING) as behind:
        config = GATEWAY.format(port=behind.port)
        if command == "mesh":
            config = mesh_config(tmp_path, behind.port).replace(
                "{port: 0}]\n", "{port: 0, clearContext: true}]\n"
            )
        with serving(tmp_path, command, config) as running:
            port = running.ports["public" if command == "edge" else "out"]
            async with connected(port) as client:
                hint, _ = await client.ask(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n", head=True)
                assert hint.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n")
                assert b"l5d-" not in hint
                assert (await client.answer())[1] == b"hello"
                if command == "edge":
                    assert b"inside" not in hint
