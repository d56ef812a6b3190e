"""What a verdict was decided by, in words, step by step. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from wire.head import L5D, header_lines

if TYPE_CHECKING:
    from edge.grants.grant import Grant, GrantRefused
    from edge.rules.trust import Rule
    from edge.verdict.context import EdgeContext
    from edge.verdict.trail import Trail
    from wire.request import RequestHead

_OF_WEIR: Final = re.compile("weir[-_.]", re.IGNORECASE)


class Fits(NamedTuple):
    """Which conditions of a rule hold."""

    host: bool
    cookie: bool
    peer: bool
    certificate: bool


def arrived(
    trail: Trail, context: EdgeContext, request: RequestHead, default_rate: float | None
) -> None:
    """Host, path, client, and the rule they lead to."""
    trail.add("client", f"{context.client}{', by https' if context.https else ''}")
    sent = (request.host or b"").decode("latin-1")
    host = context.host.decode("latin-1")
    trail.add("host", host if sent == host else f"{sent} is {host} in its normal form")
    if context.target != request.target:
        trail.add(
            "path",
            f"{request.target.decode('latin-1')} is {context.target.decode('latin-1')} "
            "in its normal form",
        )
    place = context.place
    if place is None:
        if context.answer is None:
            trail.add("place", "no host rule is for this host: the test endpoint answers")
        return
    trail.add("place", f"host rule {place.name}")
    rate = place.sample_rate
    if rate is not None:
        trail.add("sample", f"{rate:g} by host rule {place.name}")
    elif default_rate is not None:
        trail.add("sample", f"{default_rate:g} by tracing.sample_rate")


def granted(trail: Trail, grant: Grant) -> None:
    """A good grant."""
    trail.add(
        "trust",
        f"grant {grant.id} of {grant.name}, signed by key {grant.kid}, for "
        f"{', '.join(grant.hosts)}, until {grant.expires_s} (seconds since 1970)",
    )


def grant_refused(trail: Trail, refused: GrantRefused) -> None:
    """A grant that counts for nothing."""
    trail.add("trust", f"a grant is given and dropped: {refused}")


def tried(trail: Trail, rule: Rule, jar: dict[bytes, list[bytes]], fits: Fits) -> None:
    """One rule of trust, and why it does or does not apply."""
    if all(fits):
        why = "applies"
    elif not fits.host:
        why = "does not apply: it is not for this host"
    elif not fits.peer:
        why = "does not apply: the client is in none of its networks"
    elif not fits.certificate:
        why = f"does not apply: the client has not shown a certificate for {rule.certificate}"
    else:
        given = len(jar.get(rule.cookie, ()))
        cookie = rule.cookie.decode("latin-1")
        differs = "does not hold" if rule.contains else "does not equal"
        why = "does not apply: " + (
            f"cookie {cookie} {differs} what the rule asks for"
            if given == 1
            else f"cookie {cookie} is given {given} times"
        )
    trail.add("trust", f"rule {rule.name} {why}")


def decided(trail: Trail, context: EdgeContext, request: RequestHead) -> None:
    """What the request may say, what it loses, and who answers."""
    rule = context.by
    trail.add("believed", _believed(rule))
    ours = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in header_lines(request.block)
        if L5D.fullmatch(name)
    ]
    for name, value in ours:
        if _OF_WEIR.match(name) and name.lower() != "weir-debug":
            # It may be a grant, and trails are shown and logged.
            trail.add("header", f"{name}, {len(value)} characters, ends here")
            continue
        kept = rule is not None and rule.may is not None
        trail.add("header", f"{name}: {value} is {'read' if kept else 'dropped'}")
    if context.local:
        trail.add("override", context.local.decode("latin-1").replace("\n", " ; "))
    if context.sample is not None and context.sample != context.fallback_rate:
        by = f"by {rule.name}" if rule and context.sample == rule.sample_rate else "asked for"
        allowed = ", if the budget allows" if context.forced else ""
        trail.add("sample", f"{context.sample:g} {by}{allowed}")
    elif context.sample is None and context.forced:
        trail.add("sample", "the caller's trace is recorded, if the budget allows")
    answer = context.answer
    if answer is not None:
        said = f": {answer.message}" if answer.message else ""
        trail.add("answer", f"{answer.status} at stage {answer.stage}{said}")


def _believed(rule: Rule | None) -> str:
    if rule is None:
        return "an outsider: nothing it says about routing, sampling or its trace counts"
    parts = []
    if rule.override:
        parts.append("its requests get an override")
    if rule.may is not None:
        prefixes = ", ".join(map(str, rule.may.prefixes or ())) or "the mesh's own names"
        targets = ", ".join(map(str, rule.may.targets or ())) or "the mesh's own names"
        parts.append(f"it may override {prefixes} to {targets}, and continue a trace")
    if rule.may_sample:
        parts.append("it may ask to be sampled")
    if rule.may_debug:
        parts.append("it may ask for its trail")
    return f"{rule.name}: {'; '.join(parts) or 'nothing more than an outsider'}"
