"""The spans that Linkerd 1.7.5 sent for its vectors' requests, beside ours for the same."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mesh.process import MeshProcess
from tests.kits.running import soon
from tests.vectors.linkerd import World, _run_case
from tests.vectors.linkerd_match import Matcher
from tracing.exchange import Record, spans_of

if TYPE_CHECKING:
    from tracing.span import SpanRecord

VECTORS: Final = json.loads(
    (Path(__file__).parents[1] / "vectors" / "data" / "linkerd" / "http.json").read_text()
)
# Of Linkerd's tags those that ours mean the same by; a tag that says nothing is not written.
SAME: Final = (
    "router.label",
    "service",
    "client",
    "residual",
    "dtab.local",
    "http.method",
    "http.uri",
    "http.status_code",
    "srv/request_payload_bytes",
    "srv/response_payload_bytes",
    "io.buoyant.router.Failure",
    "l5d.success",
)
NOTHING: Final = ("", "/", "None")
DIFFERS: Final = {
    "spans of a bad override": "a request that is refused leaves a span that says why",
    "spans of a refused connection": "each attempt has a span, whether it found anybody or not",
    "spans of a request without host": "what reaches no route has no sizes",
    "spans at an edge": "the server's span is the root; Linkerd has none with clearContext",
}


def told(span: SpanRecord) -> dict[str, str]:
    tags = {**(span.route or {}), **span.tags}
    return {key: tags[key] for key in SAME if tags.get(key, "") not in NOTHING}


def wanted(span: dict[str, Any]) -> dict[str, str]:
    tags = {key: str(value) for key, value in span["binary"].items() if key in SAME}
    return {key: value for key, value in tags.items() if value not in NOTHING}


def differences(case: dict[str, Any], spans: list[SpanRecord], matcher: Matcher) -> list[str]:
    """What of Linkerd's spans ours do not say. Shape: both in the order in which they began."""
    found = []
    for role in ("server", "client"):
        theirs = [one for one in case["expect"]["spans"] if one["role"] == role]
        ours = sorted(
            (one for one in spans if one.kind == role.upper()), key=lambda one: one.start_us
        )
        if len(ours) != len(theirs):
            found.append(f"{len(ours)} {role} spans, not {len(theirs)}")
            continue
        for want, got in zip(theirs, ours, strict=True):
            facts = {
                "name": (want["name"], got.name),
                "trace": (want["trace"], got.trace_id[-8:].hex()),
                "id": (want["id"], got.span_id.hex()),
                "parent": (str(want["parent"]), got.parent_id.hex() if got.parent_id else "None"),
                "service": (want["service_name"], got.local.service_name),
                "debug": (str(want["debug"]), str(got.debug)),
            }
            own, tags = told(got), wanted(want)
            for key, value in tags.items():
                if key in own or role == "server" or key != "l5d.success":
                    facts[key] = (value, own.get(key, "absent"))
            found += [
                f"{role} {name}: {has}, not {value}"
                for name, (value, has) in facts.items()
                if not matcher.fits(value, has)
            ]
    return found


async def spans_of_setup(setup: str) -> dict[str, list[str]]:
    """The differences of each case of a setup."""
    world = World(VECTORS, setup)
    process = MeshProcess(await world.start())
    taken: list[Record] = []
    try:
        await process.start()
        for router in process.routers:
            router.deps = replace(router.deps, record=taken.append)
            router.spans._deps = router.deps
        out = {}
        for case in VECTORS["cases"]:
            if case["setup"] != setup or case["expect"].get("spans") is None:
                continue
            taken.clear()
            await _run_case(world, case)
            await soon(lambda: not any(router.pending() for router in process.routers))
            # The runner's own question at the end of each case is none of Linkerd's.
            spans = [s for one in taken for s in spans_of(one) if s.tags["http.uri"] != PROBE]
            out[case["name"]] = differences(case, spans, Matcher(world.ports))
        return out
    finally:
        await process.aclose(0.1)
        await world.aclose()


PROBE: Final = "/nobody/here"


async def test_our_spans_say_what_linkerds_said() -> None:
    setups = [name for name in VECTORS["setups"] if name.startswith("traced")]
    found: dict[str, list[str]] = {}
    for one in await asyncio.gather(*map(spans_of_setup, setups)):
        found |= one
    assert len(found) >= 29
    differing = {name: what for name, what in found.items() if what and name not in DIFFERS}
    assert differing == {}
    assert all(found[name] for name in DIFFERS)
