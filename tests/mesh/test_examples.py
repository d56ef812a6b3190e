"""The example of a node, run as it stands but for its ports and places."""

from __future__ import annotations

from pathlib import Path

from tests.kits.edge_process import services
from tests.kits.serving import serving
from tests.kits.sockets import connected, upstream

NODE = Path(__file__).parents[2] / "examples" / "mesh" / "node.yml"


async def test_a_request_goes_out_and_in_through_the_node(tmp_path: Path) -> None:
    async with upstream() as behind:
        place = services(tmp_path, {"world-v1": behind.port})
        text = NODE.read_text().replace("/etc/weir/services", str(place))
        for port in ("9990", "4140", "4141}"):
            assert f"port: {port}" in text
            text = text.replace(f"port: {port}", "port: 0" + port[4:])
        with serving(tmp_path, "mesh", text) as mesh:
            for router in ("incoming", "outgoing"):
                async with connected(mesh.ports[router]) as client:
                    head, _ = await client.ask(b"GET / HTTP/1.1\r\nHost: world\r\n\r\n")
                    # The outgoing one asks port 4141, where nobody listens here.
                    wanted = b"200" if router == "incoming" else b"502"
                    assert head.startswith(b"HTTP/1.1 " + wanted)
