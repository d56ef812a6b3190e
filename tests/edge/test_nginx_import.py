"""An nginx configuration, imported: what it says, and what both then do with the same requests."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from config import load
from edge.nginx.importing import import_nginx
from edge.nginx.text import NginxSyntaxError, read_nginx
from edge.settings.edge_config import EdgeConfig
from tests.kits.edge_process import RunningEdge, running_edge, send
from tests.kits.mirror import Mirror, mirror
from tests.kits.peers import needs_nginx
from tests.kits.running import free_port, until
from weir.commands.edge import app

if TYPE_CHECKING:
    from collections.abc import Iterator

CONF = Path(__file__).with_name("tutorials-nginx.conf")
HEADERS_MORE = Path("/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so")


def imported(servers: str) -> tuple[dict[str, object], tuple[str, ...], tuple[str, ...]]:
    found = import_nginx(f"http {{\n{servers}\n}}")
    load(EdgeConfig, found.text, source="edge.yml")
    said: dict[str, object] = yaml.safe_load(found.text)
    return said, found.notes, found.faults


def test_the_tutorials_nginx_becomes_the_nginx_only_example() -> None:
    found = import_nginx(CONF.read_text())
    assert (found.notes, found.faults) == ((), ())
    config = load(EdgeConfig, found.text, source="edge.yml")
    assert [(rule.host, rule.forward) for rule in config.host_rules] == [
        ("api.hello.world", "l5d.default.svc.cluster.local:80"),
        ("www.hello.world", "l5d.default.svc.cluster.local:80"),
    ]
    dogfood, employee = config.trust
    assert dogfood.hosts == employee.hosts == ("www.hello.world",)
    assert dogfood.cookie is not None
    assert (dogfood.cookie.name, dogfood.cookie.contains) == ("special_employee_cookie", "dogfood")
    assert str(dogfood.override.entries[0]) == "/host/world=>/srv/world-v2"
    assert employee.cookie is not None
    assert (employee.cookie.equals, employee.may_override) == ("letmein", True)


def test_paths_headers_and_redirects_are_carried_over() -> None:
    said, notes, faults = imported("""
upstream pool { server 10.0.0.1:8080; }
add_header X-Common all;
server {
  listen 443 ssl; server_name shop.example *.shop.example;
  ssl_certificate /tls/a.pem; ssl_certificate_key /tls/a.key;
  more_clear_headers Server; more_clear_input_headers X-Debug 'l5d-*';
  location / { proxy_pass http://pool; proxy_set_header X-Shop "1 2"; }
  location /api/ { proxy_pass http://10.0.0.2/; }
  location ^~ /old/ { return 301 https://new.example$request_uri; }
}
server { listen 80; server_name plain.example; return 308 https://$host$request_uri; }
""")
    assert faults == ()
    assert notes == (
        "5: nginx sends unknown hosts to its first server; here: 200 OK",
        "10: proxy_pass http://10.0.0.2/: paths go on as they came, not rewritten",
    )
    common = {"response": {"set": {"X-Common": "all"}, "remove": ["Server"]}}
    hosts = {host["host"]: host for host in said["hosts"]}  # type: ignore[attr-defined]
    shop = hosts["*.shop.example"]
    assert shop["forward"] == "10.0.0.1:8080"
    assert shop["headers"]["request"] == {"set": {"X-Shop": "1 2"}, "remove": ["X-Debug"]}
    assert shop["headers"]["response"] == common["response"]
    api, old = shop["paths"]
    assert (api["prefix"], api["forward"]) == ("/api", "10.0.0.2:80")
    assert api["headers"]["request"] == {"remove": ["X-Debug"]}
    assert old["redirect"] == {"status": 301, "scheme": "https", "host": "new.example"}
    assert hosts["plain.example"]["redirect"] == {"status": 308, "scheme": "https"}
    assert said["listeners"] == [
        {
            "ip": "0.0.0.0",
            "port": 443,
            "tls": {"certificates": [{"cert": "/tls/a.pem", "key": "/tls/a.key"}]},
        },
        {"ip": "0.0.0.0", "port": 80},
    ]


@pytest.mark.parametrize(
    ("within", "says"),
    [
        ("if ($remote_addr ~ ^10) { return 403; }", "say in `trust` who is believed"),
        ('if ($cookie_a ~ "x|y") { set $x "/a => /b"; }', "say in `trust` who is believed"),
        ('if ($cookie_a = "x") { return 403; }', "say in `trust` who is believed"),
        ('if ($cookie_a != "x") { more_clear_input_headers X; }', "say in `trust`"),
        ("proxy_set_header l5d-dtab $http_x;", "l5d-dtab is set to $http_x"),
        ("deny all;", "deny all is not carried over"),
        ("auth_basic staff;", "auth_basic staff is not carried over"),
        ("location ~ \\.php$ { }", "location ~ \\.php$ is left out"),
        ("location = /x { return 404; }", "location = /x is left out"),
        ("include extra.conf;", "include extra.conf is not carried over"),
    ],
)
def test_what_decides_on_access_or_trust_is_a_fault(within: str, says: str) -> None:
    _, _, faults = imported(f"server {{ server_name a.example; proxy_pass http://b; {within} }}")
    assert len(faults) == 1
    assert says in faults[0]
    assert faults[0].startswith("2: ")


@pytest.mark.parametrize(
    ("within", "says"),
    [
        ("gzip on;", "gzip on is not carried over"),
        ("proxy_read_timeout 5s;", "is between two reads"),
        ("proxy_pass http://b/below;", "paths go on as they came"),
        ("add_header X $upstream_addr;", "X: $upstream_addr is not carried over"),
        ("more_clear_headers 'X-*';", "X-*: headers are removed by whole names"),
        ("location /a { proxy_pass http://b; }", "whole path segments"),
        ("return 302 /x?y=$arg_z;", "only whole or unchanged paths"),
    ],
)
def test_what_differs_is_told_with_its_line(within: str, says: str) -> None:
    _, notes, faults = imported(
        f"server {{ server_name a.example; proxy_pass http://b;\n{within} }}"
    )
    assert faults == ()
    assert [one for one in notes if says in one and one.startswith("3: ")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http {", "1: no ; or } behind this"),
        ("http { server { }", "1: no ; or }"),
        ("a b", "1: no ; or } behind a b"),
        ("\n}", "2: a } that closes nothing"),
        ("a 'b", "1: a quote that is not closed"),
        ("a;\n;", "2: a ; without a directive"),
        ("a {" * 60, "blocks within"),
    ],
)
def test_what_is_no_configuration_says_where(text: str, says: str) -> None:
    with pytest.raises(NginxSyntaxError, match=re.escape(says)):
        read_nginx(text)


@given(st.text("ab ;{}\"'\\#\n$()if=~", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(NginxSyntaxError):
        import_nginx(text)


def test_the_command_writes_the_file_and_tells_the_rest(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["import", str(CONF)])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == import_nginx(CONF.read_text()).text
    file = tmp_path / "nginx.conf"
    file.write_text("http { server { server_name a.example; proxy_pass http://b; deny all; } }")
    bad = CliRunner().invoke(app, ["import", str(file)])
    assert bad.exit_code == 1
    assert f"{file}:1: deny all is not carried over  <- decides on access or trust" in bad.stderr
    file.write_text("http {")
    assert CliRunner().invoke(app, ["import", str(file)]).stderr.startswith(f"{file}:1: no ;")


# ---- the same requests to both


class Said(NamedTuple):
    """What came of a request: the status, and the dtab that a Linkerd behind would bind by."""

    status: int
    reached: bool
    host: str
    dtab: str


OVERRIDE = "l5d-dtab: /host/world => /srv/world-v3"
CORPUS = [
    (host, path, lines)
    for host in ("www.hello.world", "api.hello.world", "nobody.test")
    for path in ("/", "/a/b?c=d", "/caf%C3%A9")
    for lines in (
        (),
        (OVERRIDE,),
        ("l5d-ctx-dtab: /host/world => /srv/world-v3",),
        ("Cookie: special_employee_cookie=dogfood",),
        ("Cookie: special_employee_cookie=xDOGFOODx",),
        ("Cookie: special_employee_cookie=letmein",),
        ("Cookie: a=b; special_employee_cookie=dogfood; c=d",),
        ("Cookie: other=dogfood",),
        ("Cookie: special_employee_cookie=letmein", OVERRIDE),
        ("Cookie: special_employee_cookie=letmein", "l5d-ctx-dtab: /host/world => /srv/world-v3"),
        ("Cookie: special_employee_cookie=dogfood", OVERRIDE),
        ("Cookie: special_employee_cookie=dogfood", "l5d-ctx-dtab: /host/world => /srv/world-v3"),
    )
]
# On www alone, by the lines that were sent: faults of the original that the import closes.
DIFFERS = {
    ("Cookie: special_employee_cookie=letmein", OVERRIDE): (
        "nginx sets l5d-dtab to nothing for everyone, an employee's own included"
    ),
    ("Cookie: special_employee_cookie=dogfood", "l5d-ctx-dtab: /host/world => /srv/world-v3"): (
        "nginx clears in one `if` only, so this cookie lets the sender's context pass"
    ),
}


@contextlib.contextmanager
def real_nginx(folder: Path, text: str, port: int) -> Iterator[None]:
    """The real nginx by this configuration, on a port of loopback."""
    temp = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = text.replace("http {", f"http {{ access_log off; {temp}", 1)
    file = folder / "nginx.conf"
    file.write_text(
        f"load_module {HEADERS_MORE}; daemon off; pid {folder}/pid; error_log stderr crit;\n{text}"
    )
    with (folder / "nginx.log").open("w") as log:
        process = subprocess.Popen(
            ["nginx", "-e", "stderr", "-c", str(file)],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def answers() -> bool:
        assert process.poll() is None, (folder / "nginx.log").read_text()
        with contextlib.suppress(OSError):
            return bool(send(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        return False

    try:
        until(answers, 60)
        yield
    finally:
        process.terminate()
        process.wait(60)


def outcome(port: int, linkerd: Mirror, host: str, path: str, lines: tuple[str, ...]) -> Said:
    linkerd.seen.clear()
    raw = "\r\n".join((f"GET {path} HTTP/1.1", f"Host: {host}", *lines)) + "\r\n\r\n"
    answer = send(port, raw.encode()).decode("latin-1")
    seen = b"".join(linkerd.seen).decode("latin-1")
    # Linkerd appends l5d-dtab to l5d-ctx-dtab; the tutorials use one of them at a time.
    dtabs = [
        re.sub(r"[\s;]", "", value)
        for value in re.findall(r"(?i)\r\nl5d-(?:ctx-)?dtab: ([^\r]*)", seen)
    ]
    asked = re.search(r"(?i)\r\nhost: ([^\r]*)", seen)
    return Said(
        int(answer[9:12]),
        seen.startswith(f"GET {path} "),
        asked[1] if asked else "",
        ";".join(one for one in dtabs if one),
    )


@needs_nginx
@pytest.mark.peer
@pytest.mark.skipif(
    not HEADERS_MORE.exists(),
    reason=f"no {HEADERS_MORE}: apt-get install libnginx-mod-http-headers-more-filter",
)
def test_nginx_and_what_it_becomes_do_the_same(tmp_path: Path) -> None:
    with mirror("linkerd") as linkerd:
        text = CONF.read_text().replace(
            "http://l5d.default.svc.cluster.local", f"http://127.0.0.1:{linkerd.port}"
        )
        port = free_port()
        ours = import_nginx(text).text.replace(
            "{ip: 0.0.0.0, port: 80}", "{ip: 127.0.0.1, port: 0}"
        )
        edge: RunningEdge
        with (
            real_nginx(tmp_path, text, port),
            running_edge(tmp_path, ours + "admin: {port: 0}\n") as edge,
        ):
            differing = set()
            for host, path, lines in CORPUS:
                theirs = outcome(port, linkerd, host, path, lines)
                mine = outcome(edge.port, linkerd, host, path, lines)
                if theirs != mine:
                    assert host == "www.hello.world", (host, path, lines, theirs, mine)
                    assert theirs._replace(dtab="") == mine._replace(dtab="")
                    differing.add(lines)
    assert differing == set(DIFFERS)
