"""Why a request goes where it goes: the policy's trail, then the binding's."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from dtab import Dtab, DtabSyntaxError, leafs, read_dtab
from edge.answers.reach import effect_of
from edge.answers.state_text import state_text
from edge.verdict.trail import Step, Trail
from mesh.context import SEPARATOR
from naming.derived import settled
from naming.explain import explain, lines
from naming.interpreter import ConfiguredInterpreter
from naming.state import Ok
from naming.waiting import until
from proxy.call import Peer
from wire.errors import BadRequest
from wire.limits import EDGE_LIMITS
from wire.reader import RequestReader

if TYPE_CHECKING:
    from dtab import NameTree
    from edge.answers.face import EdgeFace
    from edge.verdict.context import EdgeContext
    from mesh.routing.plan import Plan
    from mesh.routing.router import RouterSettings
    from naming.bound import Bound
    from naming.interpreter import Interpreter
    from naming.state import State
    from wire.request import RequestHead

SOMEBODY: Final = "192.0.2.1"  # RFC 5737: an address of nobody in particular
PATIENCE_S: Final = 2.0  # for hosts to resolve; then they are shown as not known yet
_LINE_BREAKS: Final = ("\r", "\n", "\x00")


class BadQuestion(Exception):
    """What was asked is no request. The text says what about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request to explain, as a person writes it."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    client: str = SOMEBODY

    def head(self) -> RequestHead:
        """The request's head, read as a listener reads it.

        Raises: BadQuestion; BadRequest, if the gateway would refuse it.
        """
        parts = urlsplit(self.url if "://" in self.url else f"http://{self.url}")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise BadQuestion(f"{self.url} is no http URL")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        given = {name.lower() for name, _ in self.headers}
        said = [] if "host" in given else [("Host", parts.netloc)]
        texts = [self.method, target, *(text for pair in self.headers for text in pair)]
        if any(mark in text for text in texts for mark in _LINE_BREAKS):
            raise BadQuestion("a header is one line")
        raw = f"{self.method} {target} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in (*said, *self.headers)
        )
        reader = RequestReader(EDGE_LIMITS)
        reader.buffer = raw.encode("latin-1", "replace") + b"\r\n"
        head = reader.take_head()
        assert head is not None  # it has its blank line
        return head

    def peer(self) -> Peer:
        """Who asks. Raises: BadQuestion."""
        try:
            return Peer(str(ipaddress.ip_address(self.client)), 0)
        except ValueError:
            raise BadQuestion(f"{self.client} is no IP address of a client") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The explanation."""

    steps: tuple[Step, ...]
    service: str = ""
    trail: tuple[str, ...] = ()  # of the dtab, indented lines
    bound: str = ""
    endpoints: tuple[str, ...] = ()
    effect: str = ""  # of the override, on this way

    def as_json(self) -> dict[str, Any]:
        """For tools."""
        return {
            "steps": [{"stage": stage, "text": text} for stage, text in self.steps],
            "service": self.service,
            "dtab": list(self.trail),
            "bound": self.bound,
            "endpoints": list(self.endpoints),
            "override": self.effect,
        }

    def lines(self) -> list[str]:
        """For people."""
        told = [f"{stage:<9} {text}" for stage, text in self.steps]
        if self.service:
            told += [f"{'service':<9} {self.service}", "", *self.trail, ""]
            if self.effect:
                told.append(f"{'override':<9} {self.effect}")
            told.append(f"{'bound':<9} {self.bound}")
            told.append(f"{'endpoint':<9} {', '.join(self.endpoints) or 'none'}")
        return told


async def explain_request(
    question: Question,
    face: EdgeFace,
    router: RouterSettings,
    interpreter: Interpreter,
    patience_s: float = PATIENCE_S,
) -> Answered:
    """What the gateway would do. Raises: BadQuestion."""
    trail = Trail()
    peer = question.peer()
    try:
        request = question.head()
    except BadRequest as error:
        trail.add("answer", f"{error.status}: {error.reason}")
        return Answered(steps=tuple(trail.steps))
    context = face.settings.policy.decide(request, peer, trail)
    if context.own:
        trail.add("answer", "the gateway's own page")
    if context.answer is not None or not context.key or context.own:
        return Answered(steps=tuple(trail.steps))
    plan = router.plan_of(context.key)
    told = await _bound(plan, context, interpreter, patience_s)
    return Answered(steps=tuple(trail.steps), **told)


async def _bound(
    plan: Plan, context: EdgeContext, interpreter: Interpreter, patience_s: float
) -> dict[str, Any]:
    local = _local(context)
    table = plan.dtab + local if plan.steerable else plan.dtab
    if plan.bind is not None and len(local):
        watch = plan.bind(interpreter, local)()
    else:
        watch = interpreter.bind(table, plan.service)
    state: State[NameTree[Bound]] = watch.state
    endpoints: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            state = await until(watch, settled)
            for bound in leafs(state.value) if isinstance(state, Ok) else ():
                addr = await until(bound.addr, settled)
                endpoints += [
                    str(one) for one in getattr(getattr(addr, "value", None), "endpoints", ())
                ]
    namers = interpreter.namers if isinstance(interpreter, ConfiguredInterpreter) else ()
    told = explain(plan.service, table, namers)
    effect = effect_of(watch)
    return {
        "effect": "" if effect is None else str(effect),
        "service": str(plan.service),
        "trail": tuple(lines(told.value)) if isinstance(told, Ok) else (state_text(told),),
        "bound": state_text(state),
        "endpoints": tuple(endpoints),
    }


def _local(context: EdgeContext) -> Dtab:
    table = Dtab()
    try:
        for text in context.local.split(SEPARATOR) if context.local else ():
            table += _named(read_dtab(text.decode("latin-1")))
    except DtabSyntaxError:
        return Dtab()  # the policy has said so
    return table


def _named(table: Dtab) -> Dtab:
    """Entries of an override say so, beside those that stand in a file."""
    return Dtab(
        replace(entry, place=entry.place and entry.place._replace(file="override"))
        for entry in table
    )
