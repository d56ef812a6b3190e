"""Linkerd's `tls` blocks: client TLS of one node to server TLS of another, and what goes wrong."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import httpx
import pytest

from config import ConfigError, load
from dtab import read_path
from mesh.config.linkerd_config import MeshConfig
from mesh.process import MeshProcess
from mesh.wiring.prefix import Prefix, fill
from tests.kits.certificates import Authority
from tests.kits.serving import GET, serving
from tests.kits.sockets import connected, upstream

if TYPE_CHECKING:
    from pathlib import Path


def node(folder: Path, name: str, port: int, *, client: str = "", server: str = "") -> MeshConfig:
    names = folder / f"names-{name}"
    names.mkdir(exist_ok=True)
    (names / "web").write_text(f"127.0.0.1 {port}\n")
    text = f"""
admin: {{port: 0}}
namers: [{{kind: io.l5d.fs, rootDir: {names}}}]
routers:
- protocol: http
  label: {name}
  dtab: /svc => /#/io.l5d.fs
  {client}
  servers: [{{port: 0, {server}}}]
"""
    return load(MeshConfig, text, source="node.yml", env={})


class Nodes:
    """A request's way: outgoing router, incoming router, service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = Authority(folder)
        self.other = Authority(folder, "other")

    async def ask(self, client: str, server: str) -> tuple[bytes, bytes]:
        async with upstream() as behind:
            incoming = MeshProcess(node(self.folder, "incoming", behind.port, server=server))
            await incoming.start()
            port = incoming.ports["incoming"]
            outgoing = MeshProcess(node(self.folder, "outgoing", port, client=client))
            await outgoing.start()
            try:
                async with connected(outgoing.ports["outgoing"]) as one:
                    return await one.ask(GET)
            finally:
                await outgoing.aclose(0.0)
                await incoming.aclose(0.0)


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return Nodes(tmp_path)


@pytest.mark.parametrize(
    "client",
    [
        "client: {{tls: {{commonName: l5d.test, trustCerts: [{ca}]}}}}",
        "client: {{tls: {{commonName: l5d.test, trustCertsBundle: {ca}}}}}",
        "client: {{tls: {{disableValidation: true}}}}",
        (
            "client: {{kind: io.l5d.static, configs: [{{prefix: '/#/io.l5d.fs/{{service}}', "
            "tls: {{commonName: '{{service}}.test', trustCerts: [{ca}]}}}}]}}"
        ),
    ],
)
async def test_between_nodes_requests_go_through_tls(nodes: Nodes, client: str) -> None:
    files = nodes.ca.issue("l5d.test", "web.test")
    server = f"tls: {{certPath: {files.chain}, keyPath: {files.key}}}"
    head, body = await nodes.ask(client.format(ca=nodes.ca.file), server)
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"hello"


async def test_both_nodes_may_show_certificates(nodes: Nodes) -> None:
    files, mine = nodes.ca.issue("l5d.test"), nodes.ca.issue("client.test")
    tls = f"tls: {{commonName: l5d.test, trustCerts: [{nodes.ca.file}]"
    server = (
        f"tls: {{certPath: {files.chain}, keyPath: {files.key}, "
        f"requireClientAuth: true, caCertPath: {nodes.ca.file}}}"
    )
    auth = f"clientAuth: {{certPath: {mine.chain}, keyPath: {mine.key}}}"
    _, body = await nodes.ask(f"client: {{{tls}, {auth}}}}}", server)
    assert body == b"hello"
    head, _ = await nodes.ask(f"client: {{{tls}}}}}", server)
    assert head.startswith(b"HTTP/1.1 502")


@pytest.mark.parametrize(
    ("client", "why"),
    [
        ("{{commonName: l5d.test, trustCerts: [{other}]}}", b"Unable+to+establish+connection"),
        ("{{commonName: web.test, trustCerts: [{ca}]}}", b"Unable+to+establish+connection"),
        ("{{commonName: l5d.test}}", b"Unable+to+establish+connection"),
        (
            "{{trustCerts: [{ca}]}}",
            b"tls+is+configured+with+validation+but+%60commonName%60+is+not",
        ),
        (
            "{{commonName: l5d.test, trustCerts: [{ca}], trustCertsBundle: {ca}}}",
            b"Both+trustCerts+and+trustCertsBundle+have+been+set",
        ),
        ("{{commonName: l5d.test, trustCerts: [/absent.pem]}}", b"absent.pem"),
    ],
)
async def test_a_node_that_cannot_be_verified_is_told_as_linkerd_does(
    nodes: Nodes, client: str, why: bytes
) -> None:
    files = nodes.ca.issue("l5d.test")
    server = f"tls: {{certPath: {files.chain}, keyPath: {files.key}}}"
    block = client.format(ca=nodes.ca.file, other=nodes.other.file)
    head, _ = await nodes.ask(f"client: {{tls: {block}}}", server)
    assert head.startswith(b"HTTP/1.1 502")
    assert why in head


def test_clients_that_do_not_validate_show_no_certificate(tmp_path: Path) -> None:
    client = "client: {tls: {disableValidation: true, clientAuth: {certPath: a, keyPath: b}}}"
    with pytest.raises(ConfigError, match="exclude each other"):
        node(tmp_path, "outgoing", 1, client=client)


async def test_certificates_are_read_again_while_the_gateway_serves(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    files = ca.issue("www.test", "one.test", file="www")
    config = f"""
workers: 2
admin: {{port: 0}}
listener:
  ip: 127.0.0.1
  port: 0
  tls: {{certificates: [{{cert: {files.chain}, key: {files.key}}}]}}
"""
    trust = ssl.create_default_context(cafile=str(ca.file))
    with serving(tmp_path, "edge", config) as edge:

        async def names() -> set[str]:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", edge.ports["public"], ssl=trust, server_hostname="www.test"
            )
            found = {value for _, value in writer.get_extra_info("peercert")["subjectAltName"]}
            writer.close()
            await writer.wait_closed()
            return found

        async with httpx.AsyncClient(verify=trust, trust_env=False) as kept:
            url = f"https://127.0.0.1:{edge.ports['public']}/"
            ask = {"headers": {"Host": "www.test"}, "extensions": {"sni_hostname": "www.test"}}
            assert (await kept.get(url, **ask)).text == "200 OK"  # type: ignore[arg-type]
            assert "one.test" in await names()
            ca.issue("www.test", "two.test", file="www")
            async with asyncio.timeout(30):
                seen: list[bool] = []
                while seen[-8:] != [True] * 8:  # both workers, each within its second
                    seen.append("two.test" in await names())
            assert (await kept.get(url, **ask)).text == "200 OK"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prefix", "name", "captured"),
    [
        ("/", "/#/io.l5d.fs/web", {}),
        ("/#/io.l5d.fs/web", "/#/io.l5d.fs/web", {}),
        ("/#/io.l5d.fs/web", "/#/io.l5d.fs/webs", None),
        ("/#/io.l5d.fs/web/more", "/#/io.l5d.fs/web", None),
        ("/#/*/{service}", "/#/io.l5d.fs/web", {"service": "web"}),
        ("/#/io.l5d.fs/{a}-{b}", "/#/io.l5d.fs/x-y-z", {"a": "x-y", "b": "z"}),
    ],
)
def test_a_prefix_captures_what_its_braces_name(
    prefix: str, name: str, captured: dict[str, str] | None
) -> None:
    assert Prefix(prefix).match(read_path(name)) == captured


def test_a_name_that_was_not_captured_stays_in_its_braces() -> None:
    assert fill("{service}.{nothing}.test", {"service": "web"}) == "web.{nothing}.test"
