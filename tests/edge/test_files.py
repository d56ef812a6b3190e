"""The configuration file: examples, check, fmt, schema."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config import ConfigError, json_schema, load
from edge.settings.edge_config import EdgeConfig
from edge.settings.layout import lay_out
from tests.kits.certificates import Authority
from tests.kits.edge_process import running_edge, send
from tests.kits.mirror import mirror
from weir.commands.edge import app

HOUSE = Path(__file__).parents[2]
EXAMPLES = sorted((HOUSE / "examples" / "edge").glob("*.yml"))


def check(text: str) -> list[str]:
    try:
        load(EdgeConfig, text, source="edge.yml", env={})
    except ConfigError as error:
        return [str(one).splitlines()[0] for one in error.problems]
    return []


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_fine_and_laid_out(file: Path) -> None:
    text = file.read_text()
    assert check(text) == []
    assert load(EdgeConfig, text, source=str(file), env={}).warnings == ()
    assert lay_out(text, source=str(file)) == text


def test_the_examples_are_all_listed() -> None:
    listed = re.findall(r"`edge/([a-z-]+\.yml)`", (HOUSE / "examples" / "README.md").read_text())
    assert sorted(listed) == [file.name for file in EXAMPLES]


def test_the_nginx_only_example_hands_linkerd_what_it_should_see(tmp_path: Path) -> None:
    text = (HOUSE / "examples" / "edge" / "nginx-only.yml").read_text()
    with mirror("linkerd") as linkerd:
        text = text.replace("${LINKERD:-127.0.0.1:4142}", f"127.0.0.1:{linkerd.port}")
        text = text.replace("{ip: 0.0.0.0, port: 80}", "{ip: 127.0.0.1, port: 0}")
        with running_edge(tmp_path, text + "admin: {port: 0}\n") as edge:
            for cookie, dtab in (
                ("", None),
                ("special_employee_cookie=dogfood", b"/host/world=>/srv/world-v2"),
                ("special_employee_cookie=letmein", b"/host/world=>/srv/world-v3"),
            ):
                linkerd.seen.clear()
                send(
                    edge.port,
                    b"GET /x HTTP/1.1\r\nHost: www.hello.world\r\n"
                    b"l5d-dtab: /host/world => /srv/world-v3\r\nl5d-sample: 1\r\nCookie: "
                    + cookie.encode()
                    + b"\r\n\r\n",
                )
                (seen,) = linkerd.seen
                assert seen.startswith(b"GET /x HTTP/1.1\r\n")
                assert b"\r\nHost: www.hello.world\r\n" in seen
                assert re.findall(rb"(?i)\r\nl5d-(?:ctx-)?dtab: ([^\r]*)", seen) == (
                    [] if dtab is None else [dtab]
                )
                assert b"l5d-sample" not in seen


PROBLEMS = {
    "listner: {port: 80}": "1:1: listner: unknown key",
    "listener: {port: 80}\nlisteners: [{port: 81}]": "1:11: listener: either",
    "hosts: [a.example, A.example]": "1:20: hosts.1: the host a.example stands here twice",
    "hosts: ['http://a']": "1:9: hosts.0: http://a is no host pattern",
    "hosts: [{host: a, service: /a, forward: 'b:1'}]": "hosts.0: only one of service",
    "hosts: [{host: a, forward: 'b'}]": "1:28: hosts.0.forward: b is no address",
    "listeners: [{port: 8}, {port: 8, ip: 127.0.0.1}]": "listeners.1: 127.0.0.1:8 is taken",
    "listener: {port: 8}\nadmin: {port: 8}": "listener: 0.0.0.0:8 is taken",
    "hosts: [{host: a, paths: [{prefix: a}]}]": "hosts.0.paths.0.prefix: a is no path prefix",
    "hosts: [{host: a, paths: [{prefix: /a/..}]}]": "is no path prefix",
    "hosts: [{host: a, paths: [{prefix: /a}, {prefix: /a/}]}]": "stands here twice",
    "hosts: [{host: a, redirect: {status: 302}}]": "hosts.0.redirect: it leads where it came from",
    "hosts: [{host: a, headers: {request: {set: {l5d-dtab: x}}}}]": "is written by the gateway",
    'hosts: [{host: a, headers: {request: {set: {X-A: "b\\nc"}}}}]': "one line of visible ASCII",
    "hosts: [{host: a, sample_rate: 2}]": "hosts.0.sample_rate",
    "hosts: [{host: a, timeout_s: 0}]": "hosts.0.timeout_s",
    "dtab: /a => b": "1:7: dtab: ",
    "trust: [{name: a}]": "trust.0: everyone would match",
    "trust: [{name: a, cookie: {name: c}}]": "trust.0.cookie: either equals or contains",
    "trust: [{name: a, peers: [10.0.0.0/99]}]": "trust.0.peers.0",
    "trust: [{name: a, peers: ['::1']}, {name: a, peers: ['::1']}]": "two rules are called a",
    "grants: {}": "grants.keys: this key is required",
    "grants: {keys: k, name: session}": "grants.name",
    "limits: {client: {per_s: 0}}": "limits.client.per_s",
}


@pytest.mark.parametrize(("text", "says"), PROBLEMS.items(), ids=PROBLEMS.values())
def test_a_problem_is_told_at_its_place(text: str, says: str) -> None:
    found = check(text)
    assert len(found) == 1, found
    assert says in found[0]


def test_every_problem_is_told_at_once() -> None:
    found = check("listener: {port: 99999}\ndtab: /a => nope\nhosst: [a]\n")
    assert [line.split(":")[1] for line in found] == ["1", "2", "3"]


def test_a_variables_text_stays_one_value() -> None:
    """Attacks 101: what a variable holds is a value, whatever it looks like."""
    hostile = (
        "x\ntrust: [{name: all, peers: [0.0.0.0/0], may_override: true}]\nhosts: ['*']\n# '\"}"
    )
    text = "test_endpoint: {body: '${BODY}'}\nhosts: [a.example]\n"
    config = load(EdgeConfig, text, source="edge.yml", env={"BODY": hostile})
    assert config.test_endpoint.body == hostile
    assert config.trust == ()
    assert [rule.host for rule in config.host_rules] == ["a.example"]
    for name in ("a;b", "a\nb", "a b", "a${x}b", "a'b", "<b>", "a\x1b[0m"):
        with pytest.raises(ConfigError):
            load(EdgeConfig, "hosts: ['${NAME}']", source="edge.yml", env={"NAME": name})


def test_no_key_takes_a_regular_expression() -> None:
    """Attacks 99: what decides on requests are names, prefixes and networks, in linear time."""
    keys = set(re.findall(r'"([a-z_]+)": \{', json.dumps(json_schema(EdgeConfig))))
    assert "prefixes" in keys
    assert not [key for key in keys if "regex" in key or "pattern" in key or "match" in key]


def test_check_says_what_to_think_about(tmp_path: Path) -> None:
    file = tmp_path / "edge.yml"
    file.write_text("trust: [{name: a, cookie: {name: c, contains: dogfood}}]\n")
    done = CliRunner().invoke(app, ["check", str(file)])
    assert done.exit_code == 0
    assert "warning: trust rule a: `contains` lets any cookie value pass" in done.stderr
    assert done.stdout == f"{file}: fine; 0 host rules, 1 rule of trust, grants off; 1 warning\n"
    as_json = CliRunner().invoke(app, ["check", str(file), "--json"])
    assert len(json.loads(as_json.stdout)["warnings"]) == 1
    file.write_text("hosst: []\n")
    bad = CliRunner().invoke(app, ["check", str(file), "--json"])
    assert bad.exit_code == 1
    (problem,) = json.loads(bad.stdout)["problems"]
    assert (problem["line"], problem["column"], problem["hint"]) == (1, 1, "did you mean hosts?")


def test_check_looks_at_what_stands_beside_the_file(tmp_path: Path) -> None:
    soon = datetime.fromtimestamp(time.time_ns() / 1e9, UTC) + timedelta(days=5, hours=1)
    fresh = Authority(tmp_path).issue("a.example", until=soon)
    old = Authority(tmp_path, "old").issue("b.example", until=datetime(2021, 1, 1, tzinfo=UTC))
    (tmp_path / "keys").mkdir()
    file = tmp_path / "edge.yml"
    file.write_text(f"""
listeners:
- {{port: 443, tls: {{certificates: [{{cert: {fresh.chain}, key: {fresh.key}}}]}}}}
- {{port: 444, tls: {{certificates: [{{cert: {old.chain}, key: {old.key}}}]}}}}
- {{port: 445, tls: {{certificates: [{{cert: /none.pem, key: /none.key}}]}}}}
hosts: [a.example, b.example, {{host: c.example, redirect: {{scheme: https}}}}]
dtab: |
  /srv => /#/io.l5d.fs ;
  /svc/a.example => /srv/a ;
  /loop => /loop ;
namers: [{{kind: io.l5d.fs, rootDir: /none}}]
grants: {{keys: {tmp_path}/keys, audit: /none/audit.log}}
access_log: {{path: /none/access.log}}
""")
    done = CliRunner().invoke(app, ["check", str(file), "--json"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)["warnings"]
    for says in (
        "namers: /none is no directory",
        "holds no KID.pem: no grant is good",
        "grants.audit: /none/audit.log cannot be written",
        f"{fresh.chain} expires in 5 days",
        f"{old.chain} expired ",
        "TLS: /none.pem with /none.key: no such file",
        "access_log.path: /none/access.log cannot be written",
        f"{file}:10:3: cycle: names loop: /loop -> /loop",
        "b.example: its requests lead nowhere by this dtab",
    ):
        assert len([one for one in found if says in one]) == 1, (says, found)
    assert len(found) == 9, found


UNTIDY = """# The file's own comment.

# Who is trusted.
trust: []   \t
# Ours.
hosts:   # behind a key
  # within
- a.example


dtab: |   # a table
     /svc =>   /srv ;  # why
   # before
     /host/world=>/srv/world-v1;
listener: {port: 81}
"""
TIDY = """# The file's own comment.

listener: {port: 81}
# Ours.
hosts:   # behind a key
  # within
- a.example

dtab: |   # a table
  /svc         => /srv ; # why
  # before
  /host/world  => /srv/world-v1 ;
# Who is trusted.
trust: []
"""


def test_fmt_orders_sections_aligns_tables_and_keeps_comments(tmp_path: Path) -> None:
    untidy = UNTIDY.replace("   # before", "     # before")
    assert lay_out(untidy, source="x") == TIDY
    assert lay_out(TIDY, source="x") == TIDY
    file = tmp_path / "edge.yml"
    file.write_text(untidy)
    assert CliRunner().invoke(app, ["fmt", str(file)]).stdout == TIDY
    assert file.read_text() == untidy
    assert CliRunner().invoke(app, ["fmt", str(file), "--write"]).exit_code == 0
    assert file.read_text() == TIDY


def test_the_schema_knows_every_key() -> None:
    done = CliRunner().invoke(app, ["schema"])
    schema = json.loads(done.stdout)
    assert schema == json_schema(EdgeConfig)
    assert set(schema["properties"]) == set(EdgeConfig.model_fields)
