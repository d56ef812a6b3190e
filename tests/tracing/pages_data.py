"""A small shop's traffic, for the pages: calls, errors, skew, messaging, one deep trace."""

import random
from collections.abc import Iterator


class _Trace:
    def __init__(self, dice: random.Random, at_us: int) -> None:
        self._dice = dice
        self.id = f"{dice.getrandbits(64) | 1:016x}"
        self.at = at_us
        self.spans: list[dict[str, object]] = []

    def new_id(self) -> str:
        return f"{self._dice.getrandbits(64) | 1:016x}"

    def call(
        self,
        caller: str,
        callee: str,
        name: str,
        start: int,
        took: int,
        parent: str | None = None,
        *,
        error: bool = False,
    ) -> str:
        """A client span and its server span; the server's id, under which more may hang."""
        client, server = self.new_id(), self.new_id()
        both = {"traceId": self.id, "name": name}
        tags = {"http.method": "GET", "http.path": f"/{callee}/42", "http.status_code": "200"}
        if error:
            tags |= {"http.status_code": "503", "error": "503"}
        route = {
            "service": f"/svc/{callee}",
            "client": f"/#/io.l5d.fs/{callee}",
            "dtab.base": "/svc => /#/io.l5d.fs",
        }
        self.spans.append(
            both
            | {
                "id": client,
                "kind": "CLIENT",
                "timestamp": self.at + start,
                "duration": took,
                "localEndpoint": _place(caller),
                "remoteEndpoint": _place(callee),
                "tags": tags | route,
            }
            | ({"parentId": parent} if parent else {})
        )
        self.spans.append(
            both
            | {
                "id": server,
                "parentId": client,
                "kind": "SERVER",
                "timestamp": self.at + start + took // 12,
                "duration": took - took // 6,
                "localEndpoint": _place(callee),
                "tags": {"http.status_code": tags["http.status_code"]}
                | ({"error": "overload"} if error else {}),
                "annotations": [{"timestamp": self.at + start + took // 3, "value": "cache.miss"}],
            }
        )
        return server


def _place(service: str) -> dict[str, object]:
    return {"serviceName": service, "ipv4": f"10.0.0.{sum(map(ord, service)) % 250}", "port": 8080}


def traffic(now_us: int, traces: int = 40) -> Iterator[list[dict[str, object]]]:
    """Traces of the last minutes, newest first."""
    dice = random.Random(3)
    for number in range(traces):
        trace = _Trace(dice, now_us - number * 7_000_000 - 1_000_000)
        scale = dice.randint(80, 400)
        bad = number % 9 == 4
        top = trace.call("internet", "edge", "get /cart", 0, 100 * scale, error=bad)
        cart = trace.call("edge", "cart", "get", 12 * scale, 70 * scale, top, error=bad)
        trace.call("cart", "stock", "get /stock/{item}", 20 * scale, 18 * scale, cart)
        trace.call("cart", "prices", "get /price/{item}", 22 * scale, 30 * scale, cart, error=bad)
        users = trace.call("edge", "users", "get /me", 84 * scale, 8 * scale, top)
        if number % 3 == 0:
            trace.call("users", "postgres", "select", 86 * scale, 4 * scale, users)
        yield trace.spans


def deep(now_us: int, depth: int) -> list[dict[str, object]]:
    """One trace in which every call makes one more."""
    trace = _Trace(random.Random(5), now_us)
    parent: str | None = None
    for level in range(depth):
        took = (depth - level) * 20
        parent = trace.call(f"s{level % 7}", f"s{(level + 1) % 7}", "next", level, took, parent)
    return trace.spans
