"""What the gateway's policy costs for one request, by who sends it.

Goal: an ordinary outsider's request at most 2 µs, warm. The head is read already; measured is the
verdict alone: host, path, trust, sampling. Beside it, what is asked seldom: attacks, rules, grants.
"""

import gc
import sys
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench._cost import us
from config import load
from dtab import read_dtab
from edge.assembly import assemble
from edge.grants.desk import GrantDesk
from edge.grants.grant import Grant, mint
from edge.settings.edge_config import EdgeConfig
from edge.verdict.policy import Policy
from edge.verdict.trail import Trail
from proxy.call import Peer
from wire.limits import EDGE_LIMITS
from wire.request import RequestHead, read_request_head

GOAL_US: Final = 2.0
NOW_S: Final = 1_800_000_000
PEER: Final = Peer("198.51.100.7", 40_000)
CONFIG: Final = """
hosts:
- www.hello.world
- {host: api.hello.world, paths: [{prefix: /v1, timeout_s: 1}, {prefix: /v2, sample_rate: 1}]}
- {host: "*.example"}
trust:
- {name: dogfood, cookie: {name: special_employee_cookie, equals: dogfood},
   override: /host/world => /srv/world-v2}
- {name: employee, cookie: {name: special_employee_cookie, equals: letmein}, may_override: true}
tracing: {sample_rate: 0.001}
"""
# What a browser sends: 7 lines, a session cookie among them.
BROWSER: Final = (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    b"Accept-Language: en-US,en;q=0.5",
    b"Accept-Encoding: gzip, deflate, br",
    b"Cookie: session=d41d8cd98f00b204e9800998ecf8427e; theme=dark",
    b"Referer: http://www.hello.world/start",
)


def head(
    *lines: bytes, host: bytes = b"www.hello.world", target: bytes = b"/a/b?c=d"
) -> RequestHead:
    raw = b"\r\n".join((b"GET " + target + b" HTTP/1.1", b"Host: " + host, *lines))
    return read_request_head(raw + b"\r\n\r\n", EDGE_LIMITS)


def with_grants(policy: Policy) -> tuple[GrantDesk, bytes]:
    """A desk that trusts one key, and a token of it."""
    key = Ed25519PrivateKey.generate()
    desk = GrantDesk()
    desk.set_keys({"k": key.public_key()})
    policy._desk = desk  # noqa: SLF001 - the bench brings its own key and clock
    policy._wall_s = lambda: float(NOW_S)  # noqa: SLF001
    policy._marks = (*policy._marks, b"weir-grant=")  # noqa: SLF001
    override = read_dtab("/host/world => /srv/world-v2")
    grant = Grant(
        id="1", name="alice", kid="k", hosts=("www.hello.world",), override=override,
        not_before_s=NOW_S, expires_s=NOW_S + 3_600,
    )  # fmt: skip
    return desk, mint(grant, key).encode()


def main(argv: list[str]) -> int:
    brief = "--brief" in argv
    policy = assemble(load(EdgeConfig, CONFIG, source="bench")).face.policy
    gc.disable()
    outsider = head(*BROWSER)
    cost = us(lambda: policy.decide(outsider, PEER), brief=brief)
    say("an outsider with a browser's headers", cost)
    for what, request in (
        ("the same below a path rule", head(*BROWSER, host=b"api.hello.world", target=b"/v2/x")),
        ("the same below *.example", head(*BROWSER, host=b"shop.example")),
        ("a host that is not ours", head(*BROWSER, host=b"nobody.test")),
        ("an escaped path", head(*BROWSER, target=b"/caf%c3%a9/a%41")),
        ("an outsider with a forged l5d-dtab", head(*BROWSER, b"l5d-dtab: /a=>/b")),
        ("the dogfood cookie", head(b"Cookie: special_employee_cookie=dogfood", *BROWSER[:4])),
        (
            "an employee's own override",
            head(b"Cookie: special_employee_cookie=letmein", b"l5d-dtab: /host/a => /srv/b"),
        ),
    ):
        say(what, us(lambda: policy.decide(request, PEER), brief=brief))  # noqa: B023
    desk, token = with_grants(policy)
    granted = head(*BROWSER[:4], b"Cookie: weir-grant=" + token)
    say("a grant, verified before", us(lambda: policy.decide(granted, PEER), brief=brief))

    def first_time() -> None:
        desk.set_revoked(desk._revoked)  # noqa: SLF001
        desk._known.clear()  # noqa: SLF001
        policy.decide(granted, PEER)

    say("a grant, seen for the first time", us(first_time, brief=brief))
    say("an outsider, with the trail", us(lambda: told(policy, outsider), brief=brief))
    gc.enable()
    if cost > GOAL_US:
        sys.stdout.write(f"missed: an outsider's request costs {cost:.2f} µs of {GOAL_US:g}\n")
        return 0 if brief else 1
    return 0


def told(policy: Policy, request: RequestHead) -> None:
    policy.decide(request, PEER, Trail())


def say(what: str, cost: float) -> None:
    sys.stdout.write(f"{what:<44}{cost:>10.2f} µs\n")
