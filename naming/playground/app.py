"""The delegator's page and JSON, as a Starlette application that others mount."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from dtab import Dtab, DtabSyntaxError, Path, read_dtab, read_path
from naming.bound import Bound
from naming.delegation import BoundEnd, Choice, Delegation, Split, Step, Transformation
from naming.delegator import TextExceeded, to_json
from naming.errors import NamingError, StepsExceeded
from naming.interpreter import CannotDelegateError, ConfiguredInterpreter, Interpreter
from naming.playground.page import Question, answer
from naming.state import Pending
from naming.waiting import answered, until

TIMEOUT_S: Final = 2.0
# Of which addresses may take this much; what is not known by then is shown as pending.
ADDRESSES_S: Final = 0.5
# As much as the admin port of several workers passes on to one.
BODY_BYTES_MAX: Final = 1_048_576


def playground(
    interpreters: Mapping[str, Interpreter],
    tables: Mapping[str, Dtab] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Starlette:
    """The routes `/delegator` and `/delegator.json`.

    Shape: `interpreters` by namespace (a router's label); `tables` are the routers' own tables,
    with which the page's form is filled. Requests without a namespace get system namers only.
    Units: a namer has `timeout_s` to answer.
    Source: linkerd 1.7.5's admin server.
    """
    shown = _Playground(interpreters, tables or {}, timeout_s)
    return Starlette(
        routes=[
            Route("/delegator", shown.page, methods=["GET"]),
            Route("/delegator.json", shown.answer_get, methods=["GET"]),
            Route("/delegator.json", shown.answer_post, methods=["POST"]),
            Route(
                "/delegator.json", _no_such_method, methods=["PUT", "DELETE", "PATCH", "OPTIONS"]
            ),
        ]
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    namespace: str | None
    dtab: str
    path: str | None


class _Playground:
    def __init__(
        self,
        interpreters: Mapping[str, Interpreter],
        tables: Mapping[str, Dtab],
        timeout_s: float,
    ) -> None:
        self._interpreters: Final = interpreters
        self._tables: Final = tables
        self._timeout_s: Final = timeout_s
        self._bare: Final = ConfiguredInterpreter([])
        self._templates: Final = Jinja2Templates(File(__file__).parent / "templates")

    async def page(self, request: Request) -> Response:
        query = request.query_params
        namespaces = sorted(self._interpreters)
        namespace = query.get("namespace", namespaces[0] if namespaces else "")
        table = self._tables.get(namespace, Dtab())
        question = Question(
            namespace,
            query.get("path", ""),
            query.get("dtab", ";\n".join(map(str, table))),
            query.get("local", ""),
        )
        interpreter = self._interpreters.get(namespace, self._bare)
        # Interpreters that ask a control plane have no namers of their own to explain with.
        known = interpreter if isinstance(interpreter, ConfiguredInterpreter) else self._bare
        return self._templates.TemplateResponse(
            request, "delegator.html", {"page": answer(question, namespaces, known.namers)}
        )

    async def answer_get(self, request: Request) -> Response:
        query = request.query_params
        asked = _Asked(query.get("namespace"), query.get("dtab", ""), query.get("path"))
        return await self._answer(asked)

    async def answer_post(self, request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            return Response(status_code=415)
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_BYTES_MAX:
                return Response(f"Delegation request over {BODY_BYTES_MAX} bytes", 413)
        asked = _read(body)
        if asked is None:
            text = body.decode("utf-8", "replace")
            return Response(f"Malformed delegation request: {text}", 400)
        return await self._answer(asked)

    async def _answer(self, asked: _Asked) -> Response:
        try:
            table = read_dtab(asked.dtab)
        except DtabSyntaxError as error:
            return Response(f"Invalid dtab: {error}", 400)
        if asked.path is None:
            return Response("Invalid path: null", 400)
        try:
            path = read_path(asked.path)
        except DtabSyntaxError as error:
            return Response(f"Invalid path: {error}", 400)
        namespace = asked.namespace
        interpreter = self._bare if namespace is None else self._interpreters.get(namespace)
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await _delegated(interpreter, table, path)
        except CannotDelegateError:
            return Response(f"Name Interpreter for {namespace} cannot show delegations", 501)
        except TimeoutError:
            return Response("Request timed out.", 503)
        except (StepsExceeded, TextExceeded) as error:
            return Response(str(error), 500)
        except NamingError:
            # A loop at the top: the original answers so, and closes the connection.
            return Response(status_code=500, headers={"connection": "close"})
        return Response(body, media_type="application/json")


def _read(body: bytearray) -> _Asked | None:
    """What a JSON body asks; None for anything else."""
    try:
        said = json.loads(body.decode())
        namespace, dtab, path = said.get("namespace"), said["dtab"], said["path"]
        # Texts all of them, without half of a surrogate pair: an answer could not repeat it.
        "".join(("" if namespace is None else namespace, dtab, path)).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return _Asked(namespace, dtab, path)


def _no_such_method(_: Request) -> Response:
    return Response(status_code=405)


async def _delegated(interpreter: Interpreter | None, table: Dtab, path: Path) -> str:
    if interpreter is None:
        raise CannotDelegateError
    tree = await answered(interpreter.delegate(table, path))
    waits = [
        until(bound.addr, lambda state: not isinstance(state, Pending)) for bound in _bounds(tree)
    ]
    try:
        async with asyncio.timeout(ADDRESSES_S):
            await asyncio.gather(*waits)
    except TimeoutError:
        pass  # a host that nobody resolves is shown as pending
    return json.dumps(to_json(tree), separators=(",", ":"), ensure_ascii=False)


def _bounds(tree: Delegation) -> list[Bound]:
    found: list[Bound] = []
    stack = [tree]
    while stack:
        top = stack.pop()
        match top:
            case BoundEnd():
                found.append(top.bound)
            case Step():
                stack.append(top.tree)
            case Transformation():
                found.append(top.bound)
                stack.append(top.tree)
            case Choice():
                stack.extend(top.trees)
            case Split():
                stack.extend(part for _, part in top.trees)
            case _:
                continue
    return found
