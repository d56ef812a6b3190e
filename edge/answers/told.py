"""What an answer tells those who may steer: what came of their override, and the whole trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.answers.reach import effect_of
from edge.answers.state_text import state_text
from edge.verdict.trail import visible
from naming.explain import explain, lines
from naming.interpreter import ConfiguredInterpreter
from naming.state import Ok

if TYPE_CHECKING:
    from edge.verdict.context import EdgeContext
    from edge.verdict.trail import Trail
    from mesh.routing.router import Router
    from mesh.routing.routes import Route

_TRAIL_MAX: Final = 4_000
_EFFECT_MAX: Final = 500


def told_lines(context: EdgeContext, router: Router | None) -> bytes:
    """Header lines for one who is known by a rule or a grant, each led by CRLF.

    Whoever may see internals reads which names were asked in vain; everyone else that they were.
    """
    route = None
    if router is not None and context.key:
        route = router.routes.get((context.key, context.local))
    block = b""
    effect = effect_of(route.binding) if route is not None and context.local else None
    if effect is not None:
        if context.tags is not None:
            context.tags["edge.override.effect"] = str(effect)[:_EFFECT_MAX]
        shown = str(effect) if context.trusted or context.debug else effect.outcome
        block = b"\r\nweir-override: " + visible(shown).encode()[:_EFFECT_MAX]
    if context.by is not None and context.by.may_debug:
        block += b"\r\nweir-route: " + visible(_route(context, route)).encode()[:_EFFECT_MAX]
    if context.trail is not None:
        if router is not None and route is not None:
            _routing(context.trail, context, router, route)
        block += b"\r\nweir-trail: " + context.trail.as_header().encode()[:_TRAIL_MAX]
    return block


def _route(context: EdgeContext, route: Route | None) -> str:
    """Which way this request took, on one line; and its trace, to ask `weir explain --trace`."""
    told = {"rule": context.place.name} if context.place is not None else {}
    if route is not None:
        told["service"] = str(route.service)
        told["bound"] = state_text(route.binding.state)
        told["dtab"] = route.tags.get("dtab.version", "")
    if context.trace is not None:
        told["trace"] = context.trace.trace_id.hex()
    return "; ".join(f"{name}={value}" for name, value in told.items())


def _routing(trail: Trail, context: EdgeContext, router: Router, route: Route) -> None:
    """The steps behind the policy's, as `weir explain` tells them."""
    trail.add("service", str(route.service))
    interpreter = router.interpreter
    namers = interpreter.namers if isinstance(interpreter, ConfiguredInterpreter) else ()
    plan = router.settings.plan_of(context.key)
    table = plan.dtab + route.local if plan.steerable else plan.dtab
    told = explain(plan.service, table, namers)
    for line in lines(told.value) if isinstance(told, Ok) else ():
        trail.add("dtab", line.strip())
    trail.add("bound", state_text(route.binding.state))
