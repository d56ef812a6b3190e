"""What the load generator asks: heads that differ request by request, bodies, new connections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

HEADERS: Final = (
    "Host: www.hello.world",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
    "Cookie: session=4b1c9a7e02d84f6fb0a3; theme=dark",
    "X-Request-Id: 7c9e6679-7425-40de-944b-e07fc1f90ae7",
)
# Requests are made before the clock starts, and no two in a row are alike: an answer, or a head,
# that was kept from the last one would be the wrong one. One shape is about just that.
_KINDS: Final = 512


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of load."""

    name: str
    path: str = "/"
    connections: int = 32
    post_bytes: int = 0
    close: bool = False  # a new connection for each request
    tls: bool = False
    same: bool = False  # every client says the same lines each time, as browsers and probes do
    per_s: int = 0  # requests, all connections together; 0: as many as go through

    @property
    def title(self) -> str:
        """What a table and a plot call it."""
        rate = f", {self.per_s} requests/s" if self.per_s else ""
        clients = "1 connection" if self.connections == 1 else f"{self.connections} connections"
        return f"{self.name}, {clients}{rate}"

    def paced(self, per_s: int) -> Shape:
        """The same at a rate, from more clients who think between their requests."""
        return replace(self, per_s=per_s, connections=max(self.connections, 128))

    def script(self) -> str:
        """For wrk."""
        method = "POST" if self.post_bytes else "GET"
        body = f'string.rep("x", {self.post_bytes})' if self.post_bytes else "nil"
        lines = "".join(
            f'headers["{name}"] = "{value}"\n'
            for name, _, value in (line.partition(": ") for line in HEADERS)
        )
        ending = 'headers["Connection"] = "close"\n' if self.close else ""
        return f"""
local made, at = {{}}, 0
function init(args)
  for kind = 1, {1 if self.same else _KINDS} do
    local headers = {{}}
    {lines}{ending}headers["X-Request-Id"] = string.format("7c9e6679-7425-40de-944b-%012x", kind)
    made[kind] = wrk.format("{method}", "{self.path}", headers, {body})
  end
end
function request()
  at = at % #made + 1
  return made[at]
end
{self._delay()}"""

    def _delay(self) -> str:
        """Between two requests of a connection, in whole milliseconds, evenly around the mean."""
        if not self.per_s:
            return ""
        mean_ms = round(self.connections * 1_000 / self.per_s)
        return f"function delay() return math.random(0, {2 * mean_ms}) end\n"


SHAPES: Final = {
    "0": Shape("GET 0 B", "/0b"),
    "1k": Shape("GET 1 KiB", "/1k"),
    "same": Shape("GET 1 KiB, the same head each time", "/1k", same=True),
    "100k": Shape("GET 100 KiB", "/100k"),
    "post": Shape("POST 10 KiB", "/post", post_bytes=10_240),
    "one": Shape("GET 1 KiB", "/1k", connections=1),
    "new": Shape("GET 1 KiB, a new connection each", "/1k", close=True),
    "tls": Shape("GET 1 KiB, TLS", "/1k", tls=True),
    "tls-new": Shape("GET 1 KiB, a TLS handshake each", "/1k", tls=True, close=True),
    # Last, for it leaves the slow ones work.
    "crowd": Shape("GET 1 KiB", "/1k", connections=1_000),
}
