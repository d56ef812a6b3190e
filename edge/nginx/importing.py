"""From an nginx configuration to `edge.yml`: hosts, paths, headers, and who may steer. Pure.

What nginx says of proxying, of redirects and of headers is carried over; what decides whom to
believe is, where it has the tutorials' form: cookies, and Linkerd's headers that are cleared or
set by them. Everything else is told, with its line; a condition that cannot be read is a fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from edge.nginx.text import read_nginx
from edge.nginx.trust import rule_of
from edge.nginx.way import OF_NO_ACCOUNT, Way, Ways

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.nginx.text import Directive


@dataclass(frozen=True, slots=True)
class Imported:
    """The file, and what to know of it.

    Shape: `text` is YAML. Each of the others begins with its line: `notes` are what differs,
    `faults` what decides on access or trust and is left out.
    """

    text: str
    notes: tuple[str, ...]
    faults: tuple[str, ...]


def import_nginx(text: str) -> Imported:
    """The gateway's configuration that does what this one does. Raises: NginxSyntaxError."""
    found = _Import()
    for directive in read_nginx(text):
        if directive.name == "http":
            found.http(directive.block or ())
        elif not OF_NO_ACCOUNT.fullmatch(directive.name):
            found.ways.left_out(directive)
    return found.done()


class _Import:
    def __init__(self) -> None:
        self.ways = Ways()
        self._hosts: list[dict[str, Any]] = []
        self._rules: list[dict[str, Any]] = []
        self._listeners: dict[int, dict[str, Any]] = {}
        self._test: dict[str, Any] = {}
        self._first = True

    def http(self, block: Sequence[Directive]) -> None:
        """Everything within `http`."""
        for directive in block:
            if directive.name == "upstream" and directive.args:
                servers = [one for one in directive.block or () if one.name == "server"]
                addresses = [one.args[0] for one in servers if one.args]
                self.ways.upstreams[directive.args[0]] = addresses
        common = [one for one in block if one.name not in ("upstream", "server")]
        for directive in block:
            if directive.name == "server":
                self._server(directive, self.ways.read(common, Way()))

    # ---- servers

    def _server(self, server: Directive, common: Way) -> None:
        block = server.block or ()
        names = [name for one in block if one.name == "server_name" for name in one.args]
        default = any(one.name == "listen" and "default_server" in one.args for one in block)
        self._listen(block)
        way = self.ways.read(block, common)
        paths: list[dict[str, Any]] = []
        root = way
        for location in (one for one in block if one.name == "location"):
            prefix = self._prefix(location)
            at = location.args[-1] if location.args else "/"
            below = self.ways.read(location.block or (), way, at)
            if prefix == "/":
                root = below
            elif prefix is not None:
                self._trust(location, below, names)
                paths.append({"prefix": prefix, **self._treated(location, below)})
        self._trust(server, root, names)
        hosts = [name for name in names if self._is_host(server, name)]
        if not hosts or default or (self._first and not names):
            self._default(server, root, paths)
        elif self._first:
            self.ways.note(server, "nginx sends unknown hosts to its first server; here: 200 OK")
        self._first = False
        for host in hosts:
            entry = {"host": host, **self._treated(server, root)}
            self._hosts.append(entry | ({"paths": paths} if paths else {}))

    def _is_host(self, server: Directive, name: str) -> bool:
        if name in ("_", ""):
            return False
        if re.fullmatch(r"(?:\*\.)?[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*", name):
            return True
        self.ways.note(server, f"server_name {name} is no exact name and no *.suffix: left out")
        return False

    def _listen(self, block: Sequence[Directive]) -> None:
        files = {one.name: one.args[0] for one in block if one.args}
        for listen in (one for one in block if one.name == "listen" and one.args):
            address, _, text = listen.args[0].rpartition(":")
            if not text.isdigit():
                address, text = listen.args[0], "80"
            port = int(text)
            found = self._listeners.setdefault(port, {"ip": address or "0.0.0.0", "port": port})
            if "proxy_protocol" in listen.args:
                self.ways.fault(listen, "proxy_protocol needs the networks of your balancers")
            if "ssl" in listen.args and "ssl_certificate" in files:
                pair = {"cert": files["ssl_certificate"], "key": files.get("ssl_certificate_key")}
                tls = found.setdefault("tls", {"certificates": []})
                if pair not in tls["certificates"]:
                    tls["certificates"].append(pair)

    def _default(self, server: Directive, way: Way, paths: list[dict[str, Any]]) -> None:
        if way.status is not None:
            self._test = {"status": way.status[0], "body": way.status[1]}
        elif way.said or paths:
            entry = {"host": "*", **self._treated(server, way)}
            self._hosts.append(entry | ({"paths": paths} if paths else {}))

    def _prefix(self, location: Directive) -> str | None:
        args = list(location.args)
        if args[:1] == ["^~"]:
            args = args[1:]
        if len(args) != 1 or not args[0].startswith("/"):
            self.ways.fault(location, f"location {' '.join(args)} is left out: it is no prefix")
            return None
        if args[0] == "/":
            return "/"
        if not args[0].endswith("/"):
            self.ways.note(location, f"location {args[0]}: here a prefix is whole path segments")
        return args[0].rstrip("/")

    # ---- trust

    def _trust(self, where: Directive, way: Way, names: Sequence[str]) -> None:
        employees = overrides = False
        for condition in way.conditions:
            rule = rule_of(condition, way.override)
            if rule is None:
                words = f"if ({' '.join(condition.args)})"
                self.ways.fault(condition, f"{words} is left out: say in `trust` who is believed")
                continue
            employees = employees or rule.get("may_override", False)
            overrides = overrides or "override" in rule
            self._add_rule(rule, names)
        if way.override and not overrides:
            self.ways.fault(where, f"l5d-dtab is set to {way.override}: say in `trust` for whom")
        if "forward" in way.said and not way.clears and not employees:
            self.ways.note(where, "everyone's l5d-* headers passed here; the gateway drops them")

    def _add_rule(self, rule: dict[str, Any], names: Sequence[str]) -> None:
        hosts = [name for name in names if name not in ("_", "")]
        for known in self._rules:
            if {key: known[key] for key in rule if key in known} == rule:
                known["hosts"] = list(dict.fromkeys([*known["hosts"], *hosts]))
                return
        self._rules.append({"hosts": hosts, **rule})

    # ---- the file

    def _treated(self, where: Directive, way: Way) -> dict[str, Any]:
        said = {key: value for key, value in way.said.items() if key != "headers"}
        headers = {
            side: {key: value for key, value in edits.items() if value}
            for side, edits in way.said["headers"].items()
        }
        if any(headers.values()):
            said["headers"] = {side: edits for side, edits in headers.items() if edits}
        if way.status is not None and "forward" not in said and "redirect" not in said:
            self.ways.note(where, f"return {way.status[0]} is carried over for unknown hosts only")
        return said

    def done(self) -> Imported:
        """Everything together. A rule with an override comes first: nginx sets, then clears."""
        said: dict[str, Any] = {}
        listeners = list(self._listeners.values())
        if len(listeners) == 1:
            said["listener"] = listeners[0]
        elif listeners:
            said["listeners"] = listeners
        said["hosts"] = self._hosts
        if self._test:
            said["test_endpoint"] = self._test
        rules = sorted(self._rules, key=lambda rule: "override" not in rule)
        if rules:
            said["trust"] = [
                {"name": f"rule-{number}"} | {key: value for key, value in rule.items() if value}
                for number, rule in enumerate(rules, 1)
            ]
        text = yaml.safe_dump(said, sort_keys=False, default_flow_style=None, width=100)
        return Imported(text, tuple(_told(self.ways.notes)), tuple(_told(self.ways.faults)))


def _told(found: list[tuple[int, str]]) -> Iterator[str]:
    return iter(dict.fromkeys(text for _, text in sorted(found)))
