"""What an nginx server or location does with a request, as a host rule says it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.nginx.text import Directive

# They say how nginx works, not what becomes of a request; or the gateway does so by itself.
OF_NO_ACCOUNT: Final = re.compile(
    r"user|pid|daemon|worker_.*|events|load_module|error_log|access_log|log_format|sendfile.*|tcp_.*"
    r"|keepalive.*|types.*|default_type|server_tokens|server_names_hash.*|proxy_http_version"
    r"|proxy_buffer.*|proxy_buffers|proxy_redirect|proxy_request_buffering|proxy_cache_bypass"
    r"|.*_temp_path|reset_timedout_connection|resolver.*|index|charset|zone|variables_hash.*"
)
# They decide who may come in at all.
_ACCESS: Final = re.compile(
    r"allow|deny|satisfy|auth_.*|limit_except|internal|secure_link.*|ssl_verify.*|include"
)
# The gateway says these itself.
_FORWARDING: Final = re.compile(
    r"host|connection|upgrade|via|forwarded|x-real-ip|x-forwarded-.*|keep-alive", re.IGNORECASE
)
OURS: Final = re.compile(r"l5d[-_.].*", re.IGNORECASE)
_TARGET: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[^/:$]+|\[[^\]]+\])(?::(?P<port>\d+))?(?P<uri>/.*)?"
)
_REDIRECT: Final = re.compile(
    r"(?:(?P<scheme>https?)://(?P<host>[^/$]+|\$(?:host|server_name|http_host)))?(?P<path>.*)"
)
_REDIRECTS: Final = frozenset({"301", "302", "307", "308"})


_SIDES: Final = ("request", "response")
_STRUCTURE: Final = frozenset(
    {"server_name", "listen", "location", "server", "ssl_certificate", "ssl_certificate_key", "set"}
)


def _copied(side: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "set": dict(side["set"]) if side else {},
        "remove": list(side["remove"]) if side else [],
    }


@dataclass(slots=True)
class Way:
    """What a server or a location says, less what its conditions do."""

    said: dict[str, Any] = field(default_factory=dict)
    clears: bool = False  # Linkerd's headers, of everyone
    conditions: list[Directive] = field(default_factory=list)
    override: str = ""  # the variable or text that l5d-dtab is set to
    status: tuple[int, str] | None = None
    at: str = "/"


class Ways:
    """Reads directives; what is not carried over becomes a note."""

    def __init__(self) -> None:
        self.notes: list[tuple[int, str]] = []
        self.faults: list[tuple[int, str]] = []
        self.upstreams: dict[str, list[str]] = {}

    def note(self, directive: Directive, text: str) -> None:
        """Something that whoever imports should know."""
        self.notes.append((directive.line, f"{directive.line}: {text}"))

    def fault(self, directive: Directive, text: str) -> None:
        """Something that decides on access or trust, and is left out."""
        self.faults.append((directive.line, f"{directive.line}: {text}"))

    def left_out(self, directive: Directive) -> None:
        """A directive that says something, and is not understood."""
        words = " ".join((directive.name, *directive.args))
        if words.startswith("include ") and words.endswith("mime.types"):
            return
        tell = self.fault if _ACCESS.fullmatch(directive.name) else self.note
        tell(directive, f"{words[:60]} is not carried over")

    def read(self, block: Sequence[Directive], outer: Way, at: str = "/") -> Way:
        """What a block says, within what stands around it. at: the prefix of its paths."""
        headers = outer.said.get("headers", {})
        way = Way(
            said={**outer.said, "headers": {side: _copied(headers.get(side)) for side in _SIDES}},
            clears=outer.clears,
            conditions=list(outer.conditions),
            override=outer.override,
            status=outer.status,
            at=at,
        )
        for directive in block:
            self._directive(directive, way)
        return way

    def _directive(self, directive: Directive, way: Way) -> None:
        name, args = directive.name, directive.args
        match name, args:
            case "proxy_pass", (target,):
                self._proxy_pass(directive, target, way)
            case "return", _:
                self._return(directive, way)
            case "if", _:
                way.conditions.append(directive)
            case "proxy_set_header", (header, value):
                self._set_header(directive, header, value, way)
            case "add_header", (header, value, *_):
                self._literal(directive, header, value, way.said["headers"]["response"])
            case (("proxy_read_timeout" | "proxy_send_timeout"), _):
                self.note(directive, f"{name} is between two reads; timeout_s is a whole request's")
            case _ if name.startswith("more_"):
                self._more(directive, way)
            case _ if name not in _STRUCTURE and not OF_NO_ACCOUNT.fullmatch(name):
                self.left_out(directive)
            case _:
                pass

    def _more(self, directive: Directive, way: Way) -> None:
        """The directives of the Headers More module."""
        name, args = directive.name, directive.args
        side = way.said["headers"]["request" if "input" in name else "response"]
        if name == "more_clear_input_headers":
            way.clears = way.clears or any(OURS.match(one) for one in args)
        for one in args:
            if name.startswith("more_clear_"):
                self._remove(directive, one, side)
            else:
                header, _, value = one.partition(":")
                self._literal(directive, header.strip(), value.strip(), side)

    def _proxy_pass(self, directive: Directive, target: str, way: Way) -> None:
        found = _TARGET.fullmatch(target)
        if found is None:
            self.note(directive, f"proxy_pass {target} is no address that is carried over")
            return
        if found["uri"] not in (None, way.at):
            self.note(directive, f"proxy_pass {target}: paths go on as they came, not rewritten")
        if found["scheme"] == "https":
            self.note(directive, f"proxy_pass {target}: add client.tls for TLS to services")
        way.said.pop("redirect", None)
        way.status = None
        port = found["port"] or ("443" if found["scheme"] == "https" else "80")
        servers = self.upstreams.get(found["host"], [f"{found['host']}:{port}"])
        servers = [one if ":" in one else f"{one}:80" for one in servers]
        if len(servers) > 1:
            self.note(directive, f"of {found['host']} only {servers[0]} is carried over: see dtab")
        way.said["forward"] = servers[0] if servers else f"{found['host']}:{port}"

    def _return(self, directive: Directive, way: Way) -> None:
        args = directive.args
        if args[:1] and args[0].isdigit() and args[0] not in _REDIRECTS:
            way.status = (int(args[0]), args[1] if len(args) > 1 else "")
            return
        status, url = (args[0], args[1]) if len(args) > 1 else ("302", args[0] if args else "")
        found = _REDIRECT.fullmatch(url)
        if found is None or "$" in found["path"].replace("$request_uri", "").replace("$uri", ""):
            self.note(directive, f"return {' '.join(args)}: only whole or unchanged paths")
            return
        redirect: dict[str, Any] = {"status": int(status)}
        if found["scheme"]:
            redirect["scheme"] = found["scheme"]
        if found["host"] and not found["host"].startswith("$"):
            redirect["host"] = found["host"]
        if "$" not in found["path"] and found["path"]:
            redirect["path"] = found["path"]
        way.said.pop("forward", None)
        way.said["redirect"] = redirect

    # ---- headers

    def _set_header(self, directive: Directive, header: str, value: str, way: Way) -> None:
        if OURS.match(header):
            if header.lower() == "l5d-dtab":
                way.override = value
            elif value:
                self.note(directive, f"{header} is written by the gateway alone")
        elif _FORWARDING.fullmatch(header):
            if header.lower() == "host" and not value.startswith("$"):
                self.note(directive, f"the host goes on as it was asked for, not as {value}")
        elif not value:
            way.said["headers"]["request"]["remove"].append(header)
        else:
            self._literal(directive, header, value, way.said["headers"]["request"])

    def _literal(self, directive: Directive, header: str, value: str, side: dict[str, Any]) -> None:
        if "$" in value or OURS.match(header) or _FORWARDING.fullmatch(header):
            self.note(directive, f"{header}: {value} is not carried over")
        else:
            side["set"][header] = value

    def _remove(self, directive: Directive, name: str, side: dict[str, Any]) -> None:
        if OURS.match(name) or _FORWARDING.fullmatch(name):
            return  # the gateway does
        if "*" in name:
            self.note(directive, f"{name}: headers are removed by whole names")
        else:
            side["remove"].append(name)
