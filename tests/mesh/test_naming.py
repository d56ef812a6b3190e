"""Where a mesh's names come from: DNS, a table in a file of its own, and what a reload changes."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from config import ConfigError, load
from mesh.config.config_types import name_server
from mesh.config.linkerd_config import MeshConfig
from mesh.wiring.routers import Namers
from tests.kits.dns_server import DnsServer
from tests.kits.running import until
from tests.kits.serving import GET, mesh_config, serving
from tests.kits.sockets import connected, upstream, whole_request

if TYPE_CHECKING:
    from pathlib import Path

ROUTER = "routers: [{protocol: http, label: out, servers: [{port: 0}]}]\n"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("io.weir.dns", "web.example/{port}"), ("io.l5d.dnssrv", "_http._tcp.web.example")],
)
async def test_a_name_may_come_from_dns(tmp_path: Path, kind: str, name: str) -> None:
    async with upstream() as behind, DnsServer() as dns:
        dns.zone = {
            ("web.example.", "A"): (60, ["127.0.0.1"]),
            ("_http._tcp.web.example.", "SRV"): (60, [f"0 0 {behind.port} web.example."]),
        }
        config = f"""
admin: {{port: 0}}
namers: [{{kind: {kind}, dnsHosts: ["127.0.0.1:{dns.port}"]}}]
routers:
- protocol: http
  label: out
  dtab: /svc/web => /#/{kind}/{name.format(port=behind.port)}
  servers: [{{port: 0}}]
"""
        with serving(tmp_path, "mesh", config) as mesh:
            async with connected(mesh.ports["out"]) as client:
                assert (await client.ask(GET))[0].startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("10.0.0.53", ("10.0.0.53", 53)),
        ("10.0.0.53:5353", ("10.0.0.53", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
    ],
)
def test_a_name_server_is_an_address(text: str, read: tuple[str, int]) -> None:
    assert name_server(text) == read


@pytest.mark.parametrize("text", ["ns.example", "10.0.0.256", "10.0.0.53:0", "10.0.0.53:x", "[::1"])
def test_what_is_no_address_of_a_name_server_is_told(text: str) -> None:
    config = f'{ROUTER}namers: [{{kind: io.weir.dns, dnsHosts: ["{text}"]}}]'
    with pytest.raises(ConfigError, match="is no address of a name server"):
        load(MeshConfig, config, source="mesh.yml")


def test_a_namer_may_be_named_otherwise() -> None:
    config = load(
        MeshConfig,
        f"{ROUTER}namers: [{{kind: io.weir.dns, prefix: /hosts}}, {{kind: io.l5d.dnssrv}}]",
        source="mesh.yml",
    )
    prefixes = [str(namer.prefix) for namer in Namers(config.namers).namers]
    assert prefixes == ["/#/io.l5d.dnssrv", "/#/hosts", "/$"]


async def test_a_table_in_a_file_of_its_own_is_followed(tmp_path: Path) -> None:
    table = tmp_path / "table.dtab"
    async with (
        upstream(whole_request(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")) as one,
        upstream(whole_request(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo")) as two,
    ):
        config = f"""
admin: {{port: 0}}
routers:
- protocol: http
  label: out
  dtab: /svc/other => /$/nil
  interpreter: {{kind: io.l5d.fs, dtabFile: {table}}}
  servers: [{{port: 0}}]
"""
        table.write_text(f"/svc/web => /$/inet/127.0.0.1/{one.port} ;")
        with serving(tmp_path, "mesh", config) as mesh:
            async with connected(mesh.ports["out"]) as client, asyncio.timeout(20):
                assert (await client.ask(GET))[1] == b"one"
                table.write_text(f"/svc/web => /$/inet/127.0.0.1/{two.port} ;")
                while (await client.ask(GET))[1] != b"two":
                    pass
                table.write_text("/svc/web =>")  # broken: the last good one goes on
                for _ in range(5):
                    assert (await client.ask(GET))[1] == b"two"
                told = f"table of out cannot be read, the last good one goes on:\n{table}:1:12: "
                await asyncio.to_thread(until, lambda: told in mesh.log)


async def test_what_a_reload_changes_is_what_the_admin_port_shows(tmp_path: Path) -> None:
    async with upstream() as behind:
        with serving(tmp_path, "mesh", mesh_config(tmp_path, behind.port)) as mesh:
            file = tmp_path / "mesh.yml"
            file.write_text(file.read_text().replace("/svc => /#/io.l5d.fs", "/svc => /#/new"))
            mesh.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(until, lambda: "reloaded" in mesh.log)
            config = await asyncio.to_thread(mesh.get, "/config.json")
            assert config.json()["routers"][0]["dtab"] == "/svc=>/#/new"
            page = await asyncio.to_thread(mesh.get, "/delegator?namespace=out")
            assert "/svc=&gt;/#/new" in page.text
