"""What a change of configuration would do, told before it is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from config import load
from edge.settings.compared import compared
from edge.settings.edge_config import EdgeConfig
from naming.namers.inet import InetResolver
from naming.system import SystemNamers
from tests.kits.edge_process import running_edge, send, services
from tests.kits.mirror import mirror
from weir.commands.edge import app

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edge.settings.compared import Compared

BASE = """
hosts:
- www.hello.world
- {host: api.hello.world, paths: [{prefix: /v2, service: /host/v2}]}
- "*.shop.example"
dtab: |
  /srv => /#/io.l5d.fs ;
  /host => /srv ;
  /svc => /srv/web ;
trust: [{name: staff, cookie: {name: c, equals: "1"}, may_override: true}]
"""


def between(before: str, after: str, requests: Mapping[str, float] | None = None) -> Compared:
    sides = [load(EdgeConfig, text, source="edge.yml") for text in (before, after)]
    return compared(sides[0], sides[1], [SystemNamers(InetResolver())], requests)


def moved(found: Compared) -> dict[str, tuple[str, str, float]]:
    return {host.place: (host.before, host.after, host.moved) for host in found.hosts}


def test_what_is_the_same_moves_nobody() -> None:
    found = between(BASE, BASE.replace("# ", "") + "\n# a comment\n")
    assert (found.changed, found.hosts, found.places) == ((), (), 4)


def test_a_dentry_moves_the_hosts_that_it_concerns() -> None:
    found = between(BASE, BASE.replace("/host => /srv ;", "/host => 1 * /srv & 3 * /srv/new ;"))
    assert found.changed == ("dtab",)
    assert moved(found) == {
        "api.hello.world/v2": (
            "/#/io.l5d.fs/v2",
            "0.25 /#/io.l5d.fs/v2 & 0.75 /#/io.l5d.fs/new/v2",
            0.75,
        )
    }


def test_hosts_that_come_and_go_are_told() -> None:
    found = between(
        BASE, BASE.replace("- www.hello.world", "- {host: new.example, forward: 'a:1'}")
    )
    assert moved(found)["www.hello.world"] == (
        "/#/io.l5d.fs/web/www.hello.world",
        "the test endpoint",
        1.0,
    )
    assert moved(found)["new.example"][0] == "the test endpoint"
    away = BASE.replace("- www.hello.world", "- {host: www.hello.world, redirect: {scheme: https}}")
    assert moved(between(BASE, away))["www.hello.world"][1] == "a redirect, 308, to https://*/*"


def test_settings_are_told_where_nobody_moves() -> None:
    found = between(BASE, BASE.replace("service: /host/v2", "service: /host/v2, timeout_s: 2"))
    (host,) = found.hosts
    assert (host.place, host.moved, host.settings) == ("api.hello.world/v2", 0.0, ("timeout_s",))
    assert between(BASE, BASE.replace("staff", "crew")).changed == ("trust.staff", "trust.crew")


def test_the_share_is_of_what_a_gateway_has_counted() -> None:
    seen = {"/svc/www.hello.world": 60.0, "/host/v2": 30.0, "/svc/a.shop.example": 10.0}
    after = BASE.replace("/svc => /srv/web ;", "/svc => /srv/web ; /svc/a.shop.example => /srv/a ;")
    found = between(BASE, after, seen)
    assert list(moved(found)) == ["a.shop.example"]
    assert found.moved == 0.1
    assert between(BASE, after, {}).moved == 0.0


def test_the_command_asks_a_running_gateway(tmp_path: Path) -> None:
    with mirror("one") as one:
        place = services(tmp_path, {"web": one.port, "v2": one.port})
        ports = "listener: {ip: 127.0.0.1, port: 0}\nadmin: {port: 0}\n"
        namers = f'namers: [{{kind: io.l5d.fs, rootDir: "{place}"}}]\n'
        with running_edge(tmp_path, ports + namers + BASE) as edge:
            for path, count in (("/", 3), ("/v2", 1)):
                for _ in range(count):
                    raw = f"GET {path} HTTP/1.1\r\nHost: api.hello.world\r\n\r\n"
                    assert b" 200 " in send(edge.port, raw.encode())
            new = tmp_path / "new.yml"
            new.write_text(edge.file.read_text().replace("/host => /srv ;", "/host => /tmp ;"))
            words = ["diff", str(edge.file), str(new), f"--admin={edge.admin}"]
            told = CliRunner().invoke(app, words)
            assert told.exit_code == 0
            line = "api.hello.world/v2  100 % of its requests move, which are 25 % of all"
            assert line in told.stdout
            assert "25 % of the requests since the start would go elsewhere" in told.stderr
            as_json = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
            assert as_json["moved"] == 0.25
    new.write_text("hosst: []\n")
    bad = CliRunner().invoke(app, ["diff", str(edge.file), str(new)])
    assert (bad.exit_code, "did you mean hosts?" in bad.stderr) == (1, True)
    gone = CliRunner().invoke(app, words[:2] + words[1:2] + words[3:])
    assert (gone.exit_code, edge.admin in gone.stderr) == (1, True)
