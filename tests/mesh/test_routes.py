"""Routes that are used stay; those that nobody uses go."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dtab import read_dtab
from mesh.deps import Deps
from mesh.faces.face import LinkerdFace
from mesh.faces.identify import HeaderToken
from mesh.routing.router import Router, RouterSettings
from mesh.routing.routes import ROUTE_IDLE_S, ROUTES_MAX
from naming.interpreter import CannotDelegateError, ConfiguredInterpreter
from proxy.call import Later, Peer, Reply
from proxy.tasks import Tasks
from wire.limits import MESH_LIMITS
from wire.request import read_request_head

if TYPE_CHECKING:
    from dtab import Dtab, Path
    from naming.delegation import Delegation
    from naming.watch import Watch
    from tracing.span import SpanRecord

PEER = Peer("10.0.0.1", 1)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Silent(ConfiguredInterpreter):
    """An interpreter that binds, and does not say by which way."""

    asked = 0

    def delegate(self, dtab: Dtab, path: Path) -> Watch[Delegation]:
        del dtab
        self.asked += 1
        raise CannotDelegateError(path)


def router_at(clock: Clock, interpreter: ConfiguredInterpreter, **deps: Any) -> Router:
    settings = RouterSettings(
        label="out", dtab=read_dtab("/svc => /$/inet/127.0.0.1/1"), ip="127.0.0.1", port=1
    )
    world = replace(Deps(), monotonic_s=clock, **deps)
    return Router(settings, LinkerdFace(HeaderToken()), interpreter, world, Tasks())


def ask(router: Router, host: str) -> None:
    """One request; the client goes away before it is answered."""
    head = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    call = router.on_request(read_request_head(head, MESH_LIMITS), PEER)
    assert not isinstance(call, Reply | Later)
    assert not isinstance(call.dial(), Reply)
    call.on_end(0, 0, 0, None)


async def test_a_route_in_use_outlives_its_idle_time_and_an_idle_one_does_not() -> None:
    clock = Clock()
    router = router_at(clock, ConfiguredInterpreter(()))
    ask(router, "busy")
    ask(router, "idle")
    for _ in range(4):
        clock.now_s += ROUTE_IDLE_S / 2
        ask(router, "busy")
        router.sweep(0.0)
    assert {route.service.labels[-1] for route in router.routes.routes()} == {b"busy"}
    router.close()


async def test_a_full_table_gives_up_the_route_that_was_used_longest_ago() -> None:
    clock = Clock()
    router = router_at(clock, ConfiguredInterpreter(()))
    for number in range(ROUTES_MAX):
        clock.now_s += 0.001
        ask(router, f"h{number}")
    router.sweep(0.0)
    clock.now_s += 1.0
    ask(router, "h0")
    ask(router, "new")
    kept = {route.service.labels[-1] for route in router.routes.routes()}
    assert len(kept) == ROUTES_MAX
    assert {b"h0", b"new"} <= kept
    router.close()


async def test_the_trail_of_a_way_is_asked_for_once_also_where_nobody_knows_it() -> None:
    spans: list[SpanRecord] = []
    interpreter = Silent(())
    router = router_at(Clock(), interpreter, record=spans.append, sample_rate=1.0)
    for _ in range(3):
        ask(router, "web")
    assert [span.kind for span in spans] == ["CLIENT", "SERVER"] * 3
    assert interpreter.asked == 1
    router.close()
