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


def wide(now_us: int, count: int) -> list[dict[str, object]]:
    """One trace of many small spans, three below each; every thousandth fails."""
    place = {"serviceName": "batch", "ipv4": "10.0.0.1"}
    return [
        {
            "traceId": "00000000000000aa",
            "id": f"{number + 1:016x}",
            "name": f"step {number % 50}",
            "kind": "SERVER",
            "timestamp": now_us + number * 3,
            "duration": 1_000 + number % 700,
            "localEndpoint": place,
            "tags": {"item": str(number)} | ({"error": "late"} if number % 1_000 == 7 else {}),
        }
        | ({"parentId": f"{(number - 1) // 3 + 1:016x}"} if number else {})
        for number in range(count)
    ]


def crowd(now_us: int, count: int) -> list[dict[str, object]]:
    """Many traces of one span, a millisecond apart, by two versions; every hundredth fails."""
    return [
        {
            "traceId": f"{number + 1:016x}",
            "id": "0000000000000001",
            "kind": "CLIENT",
            "name": "get",
            "timestamp": now_us - number * 1_000,
            "duration": number % 900 * 100 + 1,
            "localEndpoint": {"serviceName": f"svc{number % 3}"},
            "tags": {
                "router.label": "out",
                "service": "/svc/s1",
                "client": f"/#/io.l5d.fs/s1-v{number % 2 + 1}",
            }
            | ({"error": "503"} if number % 100 == 0 else {}),
        }
        for number in range(count)
    ]


MARKUP = "<img src=x onerror=alert(1)>'\"&</script><script>alert(2)</script>"


def hostile(now_us: int) -> list[dict[str, object]]:
    """Markup wherever a sender may write: names, places, tags, notes, a router's own tags."""
    keys = ("router.label", "service", "client", "dtab.local", "dtab.trail", "edge.rule")
    route = dict.fromkeys(keys, MARKUP)
    tags = route | {MARKUP: MARKUP, "error": MARKUP, "http.status_code": MARKUP}
    place = {"serviceName": MARKUP, "ipv4": MARKUP}
    return [
        {
            "traceId": "00000000000000bb",
            "id": f"{number:016x}",
            "name": MARKUP + str(number),
            "kind": kind,
            "timestamp": now_us + number,
            "duration": 1_000,
            "localEndpoint": place,
            "remoteEndpoint": {"serviceName": MARKUP + "2"},
            "annotations": [{"timestamp": now_us + number, "value": MARKUP}],
            "tags": dict(tags),
        }
        | ({"parentId": f"{number - 1:016x}"} if number > 1 else {})
        for number, kind in ((1, "SERVER"), (2, "CLIENT"), (3, "SERVER"))
    ]
