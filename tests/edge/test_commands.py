"""weir grant and weir explain, as a person uses them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest
import typer
from typer.testing import CliRunner

from tests.kits.running import running, until
from weir.commands.explain import explain
from weir.commands.grant import app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

explaining = typer.Typer()
explaining.command()(explain)


def grant(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    made = grant(
        "keygen", f"--private={tmp_path / 'k1.key'}", f"--public={tmp_path / 'keys' / 'k1.pem'}"
    )
    assert made.exit_code == 0, made.output
    return tmp_path


def mint(keys: Path, *words: str) -> Result:
    said = ("--for=alice", "--hosts=www.hello.world", "--ttl=8h", *words)
    return grant("mint", f"--key={keys / 'k1.key'}", *said)


def test_a_grant_is_made_looked_at_and_withdrawn(keys: Path) -> None:
    made = mint(keys, "--override=/host/world => /srv/world-v2", "--debug")
    token = made.stdout.strip()
    assert token.count(".") == 2
    told = grant("inspect", token, f"--keys={keys / 'keys'}", "--json")
    assert told.exit_code == 0
    said = json.loads(told.stdout)
    assert said["verdict"] == "good"
    assert (said["sub"], said["kid"], said["hosts"]) == ("alice", "k1", ["www.hello.world"])
    assert (said["dtab"], said["debug"]) == ("/host/world=>/srv/world-v2", True)
    assert said["exp"] - said["nbf"] == 8 * 3_600
    listed = keys / "revoked.txt"
    for _ in range(2):
        assert grant("revoke", token, f"--file={listed}").exit_code == 0
    assert listed.read_text() == f"{said['jti']}\n"
    told = grant("inspect", token, f"--keys={keys / 'keys'}", f"--revoked={listed}")
    assert told.exit_code == 1
    assert "revoked" in told.stdout


def test_what_is_withdrawn_stands_in_the_list_whatever_its_comments_say(tmp_path: Path) -> None:
    file = tmp_path / "revoked.txt"
    file.write_text("abc # with def, and name:bob")
    for word in ("def", "name:bob", "abc", "def"):
        assert grant("revoke", word, f"--file={file}").exit_code == 0
    assert file.read_text() == "abc # with def, and name:bob\ndef\nname:bob\n"


def test_no_trail_shows_a_grant(keys: Path) -> None:
    """Trails go to terminals, pages and logs."""
    token = mint(keys, "--override=/a => /b", "--debug").stdout.strip()
    file = keys / "edge.yml"
    file.write_text(f"hosts: [www.hello.world]\ngrants: {{keys: {keys}/keys}}\n")
    for words in (["--grant", token], ["-H", f"WEIR_GRANT: {token}"]):
        told = ask("www.hello.world", f"--config={file}", *words).stdout
        assert token not in told
        assert f", {len(token)} characters, ends here" in told


def test_a_link_is_for_a_browser(keys: Path) -> None:
    link = mint(keys, "--link=https://www.hello.world/").stdout.strip()
    assert link.startswith("https://www.hello.world/.weir/grant#ey")
    assert "good" in grant("inspect", link, f"--keys={keys / 'keys'}").stdout


def test_keys_are_kept_from_others_and_never_written_over(keys: Path) -> None:
    private = keys / "k1.key"
    assert private.stat().st_mode & 0o777 == 0o600
    again = grant("keygen", f"--private={private}", f"--public={keys / 'keys' / 'k2.pem'}")
    assert again.exit_code == 1
    assert "File exists" in again.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--ttl=soon"], "write 30m, 8h or 2d"),
        (["--override=/a => nope"], "simple expected"),
        (["--hosts=http://x"], "no good grant: claims: hosts"),
        (["--for=a b"], "no good grant: claims: sub"),
        (["--services=a", "--targets=/b"], "expected"),
        (["--override=" + ";".join(["/a => /" + "b" * 50] * 100)], "no good grant: oversize"),
        (["--key=/nowhere"], "No such file"),
    ],
)
def test_no_bad_grant_leaves_the_desk(keys: Path, words: list[str], says: str) -> None:
    made = mint(keys, *words)
    assert made.exit_code == 2
    assert made.stdout == ""
    assert says in made.stderr


def ask(*words: str) -> Result:
    return CliRunner().invoke(explaining, list(words))


CONFIG = """
hosts: [www.hello.world]
dtab: |
  /srv => /$/inet/127.0.0.1 ;
  /host/world => /srv/7001 ;
  /svc/www.hello.world => /host/world ;
trust:
- {name: dogfood, cookie: {name: c, equals: dogfood}, override: /host/world => /srv/7002}
- {name: employee, cookie: {name: c, equals: letmein}, may_override: true}
tracing: {}
"""


def test_explain_tells_each_step_offline(tmp_path: Path) -> None:
    file = tmp_path / "edge.yml"
    file.write_text(CONFIG)
    told = ask("http://WWW.hello.world/a%41", f"--config={file}", "-H", "l5d-dtab: /a => /b")
    assert told.exit_code == 0
    assert told.stdout.splitlines() == [
        "client    192.0.2.1",
        "host      WWW.hello.world is www.hello.world in its normal form",
        "path      /a%41 is /aA in its normal form",
        "place     host rule www.hello.world",
        "sample    0.001 by tracing.sample_rate",
        "trust     rule dogfood does not apply: cookie c is given 0 times",
        "trust     rule employee does not apply: cookie c is given 0 times",
        "believed  an outsider: nothing it says about routing, sampling or its trace counts",
        "header    l5d-dtab: /a => /b is dropped",
        "service   /svc/www.hello.world",
        "",
        *told.stdout.splitlines()[11:-3],
        "",
        "bound     </$/inet/127.0.0.1/7001|/>",
        "endpoint  127.0.0.1:7001",
    ]
    dogfood = ask("www.hello.world", f"--config={file}", "--cookie", "c=dogfood", "--json")
    assert json.loads(dogfood.stdout)["endpoints"] == ["127.0.0.1:7002"]
    outside = ask(
        "www.hello.world",
        f"--config={file}",
        "--cookie=c=letmein",
        "-H",
        "l5d-dtab: /host/x => /$/nil",
    )
    assert "answer    403 at stage override: an override may not lead to /$/nil" in outside.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "give a URL (and --config or --admin), or --trace"),
        (["http://a", "--config={file}", "--admin=http://127.0.0.1:1"], 2, "give a URL"),
        (["http://a", "--trace=5f0c2a9e1b3d4c6f"], 2, "give a URL"),
        (["http://a", "--config=/nowhere.yml"], 2, "cannot be read"),
        (["ftp://a", "--config={file}"], 2, "is no http URL"),
        (["http://a", "--config={file}", "-H", "nonsense"], 2, "write 'Name: value'"),
        (["http://a", "--admin=http://127.0.0.1:1"], 1, "127.0.0.1:1"),
        (["http://a", "--admin=http://127.0.0.1:1"], 1, "hint: is the gateway running?"),
        (["--trace=../x"], 2, "is no trace id"),
        (["--trace=abc"], 2, "is no trace id"),
        (["--trace=5f0c2a9e1b3d4c6f", "--collector=http://127.0.0.1:1"], 1, "127.0.0.1:1"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(
    tmp_path: Path, words: list[str], code: int, says: str
) -> None:
    file = tmp_path / "edge.yml"
    file.write_text(CONFIG)
    told = ask(*(word.replace("{file}", str(file)) for word in words))
    assert told.exit_code == code
    assert says in told.stderr
    assert told.stdout == ""


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("Content-Length: x", "400: Invalid character in Content-Length"),
        ("Content-Length: +5", "400: Invalid character in Content-Length"),
        ("a b: c", "400: Invalid header token"),
        (f"a: {'b' * 16_384}", "431: the request head is too large"),
        ("Host: a b", "400: Host is no host name"),
    ],
)
def test_a_refused_request_is_explained_too(tmp_path: Path, line: str, answer: str) -> None:
    file = tmp_path / "edge.yml"
    file.write_text(CONFIG)
    told = ask("http://www.hello.world/", f"--config={file}", "-H", line)
    assert told.stdout == f"answer    {answer}\n"


def test_each_dentry_is_told_with_its_place_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "edge.yml"
    file.write_text("""
hosts:
- {host: a.example, dtab: "/svc => /x ; /x => /$/inet/127.0.0.1/1"}
- host: b.example
  paths:
  - prefix: /p
    dtab: |

      # why
      /svc => /y ;
dtab: |
  /y => /$/inet/127.0.0.1/2 ;
trust:
- name: staff
  cookie: {name: c, equals: letmein}
  may_override: true
""")
    told = ask("a.example", f"--config={file}").stdout
    assert f"by /svc => /x at {file}:3:27  " in told
    told = ask("b.example/p", f"--config={file}").stdout
    assert f"by /svc => /y at {file}:10:7  " in told
    assert f"by /y => /$/inet/127.0.0.1/2 at {file}:12:3  " in told
    own = ("--cookie=c=letmein", "-H", "l5d-dtab: /z=>/q ; /y => /z | /y")
    told = ask("b.example/p", f"--config={file}", *own).stdout
    assert "by /y => /z | /y at override:1:" in told


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_only_a_terminal_is_coloured_and_only_if_it_may(
    tmp_path: Path, env: dict[str, str], *, coloured: bool
) -> None:
    file = tmp_path / "edge.yml"
    file.write_text(CONFIG)
    words = [sys.executable, "-m", "weir", "explain", "www.hello.world", f"--config={file}"]
    inherited = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(words, stdout=theirs, env=inherited | {"TERM": "xterm"} | env)
        os.close(theirs)
        got = b""
        with contextlib.suppress(OSError):  # the terminal's end
            while more := terminal.read(65_536):
                got += more
    assert process.wait(60) == 0
    assert (b"\x1b[32m" in got) is coloured
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", got).decode().replace("\r\n", "\n")
    assert plain == ask("www.hello.world", f"--config={file}").stdout


@pytest.mark.slow
def test_a_past_request_is_explained_by_its_spans(tmp_path: Path) -> None:
    with running(tmp_path) as system:
        mark = uuid.uuid4().hex
        headers = {"Host": "www.hello.world", "Cookie": "special_employee_cookie=dogfood"}
        httpx.get(f"{system.edge}/{mark}", headers=headers)

        def whole() -> str | None:
            for trace in system.traces(annotationQuery=f"http.uri=/{mark}"):
                if len(trace) == 8:
                    found: str = trace[0]["traceId"]
                    return found
            return None

        told = ask(f"--trace={until(whole)}", f"--collector={system.collector}").stdout
        assert told.startswith("edge /svc/www.hello.world at ")
        for line in (
            "host rule     www.hello.world",
            "trusted by    dogfood",
            "override of   rule",
        ):
            assert f"    {line}\n" in told
        assert re.search(r"bound to      \S*/#/io.l5d.fs/world-v2\n", told)
        assert len(re.findall(r"^ *\w+ (?:/svc/|→ )", told, re.MULTILINE)) == 8
        assert "    dentries      /svc=>/host\n" in told
        steps = json.loads(
            ask(f"--trace={until(whole)}", f"--collector={system.collector}", "--json").stdout
        )
        assert [step["depth"] for step in steps] == list(range(8))
        assert steps[0]["facts"]["edge.rule"] == ["dogfood"]
        assert re.search(r"^ {10,}/host/world=>/srv/world-v2\n", told, re.MULTILINE)
        # And back: a table's version in the story finds the trace among its route's.
        [version] = re.findall(r"outgoing /svc/world at .*\n +service .*\n +table +(\w{8})\n", told)
        found = system.traces(
            annotationQuery=f"service=/svc/world and dtab.version={version} and "
            "client=/%/io.weir.daemonset/4141/#/io.l5d.fs/world-v2"
        )
        assert {span["traceId"] for trace in found for span in trace} == {until(whole)}
        page = httpx.get(f"{system.collector}/traces/{until(whole)}/why").text
        assert "/host/world=&gt;/srv/world-v2" in page
