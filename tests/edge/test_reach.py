"""Whose labels name an address: an override may not lead where its author may not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dtab import Prefix, leafs, read_dtab, read_path, read_prefix
from edge.answers.reach import Effect, Reach, effect_of
from edge.rules.capability import Capability
from edge.rules.scope import Scope, read_scope, scope_of
from mesh.routing.plan import RouteRefused
from naming.interpreter import ConfiguredInterpreter
from naming.state import Failed, Ok

BASE = read_dtab(
    """
    /ph => /$/io.buoyant.rinet ;
    /addr => /$/inet ;
    /srv => /$/inet/127.0.0.1 ;
    /host/hello => /srv/7001 ;
    /host/world => /srv/7002 ;
    /host/old => ! ;
    /domain/world/hello/api => /srv/7003 ;
    /byname => /$/io.buoyant.http.domainToPathPfx/domain ;
    /web => /$/io.buoyant.rinet/80 ;
    /any => /srv ;
    /any/* => /srv/7001 ;
    /staging/world => /srv/7001 ;
    /svc/www => /host/world ;
    """
)
WWW = read_path("/svc/www")
STRICT = scope_of(0, (Capability(),), by_operator=True)


def bound(text: str, scope: Scope = STRICT) -> str:
    """What the service is bound to with this override, or the status of its refusal."""
    watch = Reach(scope, BASE, WWW)(ConfiguredInterpreter(()), read_dtab(text))()
    state = watch.state
    if isinstance(state, Failed):
        assert isinstance(state.error, RouteRefused)
        return str(state.error.status)
    assert isinstance(state, Ok)
    return " ".join(str(one.id) for one in leafs(state.value))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("/host/world => /host/hello", "/$/inet/127.0.0.1/7001"),
        ("/host/world => /byname/api.hello.world", "/$/inet/127.0.0.1/7003"),
        ("/x => /y", "/$/inet/127.0.0.1/7002"),
        ("/host/world => /nobody", "/$/inet/127.0.0.1/7002"),
        ("/host/world => /srv/7001", "403"),
        ("/host/world => /srv/7002", "403"),
        ("/host/world => /ph/80/evil", "403"),
        ("/host/world => /addr/10.0.0.1/80", "403"),
        ("/host/world => /nobody | /srv/7001", "403"),
        ("/host/world => /host/hello & /srv/7009", "403"),
        ("/host => /srv ; /srv/world => /ph/80/evil", "403"),
        ("/svc => /ph/80", "403"),
        ("/host => /staging", "/$/inet/127.0.0.1/7001"),
        ("/host => /staging ; /staging => /nobody", "/$/inet/127.0.0.1/7001"),
        ("/srv => /addr", "403"),
        ("/srv => /here ; /here => /addr", "403"),
        ("/*/world => /addr/80", "403"),
        ("/* => /addr", "400"),
        ("/ => /addr", "400"),
        ("/srv => /ph/80", "403"),
        ("/srv => /web", "403"),
        ("/svc => /web", "403"),
        ("/host/* => /srv/7001", "403"),
        ("/host/world => /any/7002", "/$/inet/127.0.0.1/7001"),
        ("/host/world => /any/7009", "/$/inet/127.0.0.1/7001"),
        ("/srv => /any ; /any/7002 => /addr/80", "403"),
        ("/host => /byname/hello", "/$/inet/127.0.0.1/7002"),
        ("/srv => /byname/inet.$", "/$/inet/127.0.0.1/7002"),
        ("/host/world => /a ; /a => /host/world", "400"),
        ("/host/world => /a ; /a => /a/b", "400"),
    ],
)
def test_labels_of_an_override_name_no_address(text: str, what: str) -> None:
    assert bound(text) == what


def test_what_the_operator_wrote_may_lead_anywhere() -> None:
    by_operator = scope_of(1, (Capability(),), by_operator=True)
    assert bound("/host/world => /srv/7009", by_operator) == "/$/inet/127.0.0.1/7009"
    assert bound("/host/world => /here ; /here => /srv/7009", by_operator) == "403"


def test_a_grants_words_need_the_gateways_leave_and_its_holders_need_both() -> None:
    ceiling = Capability(targets=(read_prefix("/$/inet/127.0.0.1"),))
    grant = scope_of(1, (ceiling, Capability()), by_operator=False)
    assert bound("/host/world => /srv/7009", grant) == "/$/inet/127.0.0.1/7009"
    assert bound("/host/world => /addr/10.0.0.1/80", grant) == "403"
    assert bound("/x => /y ; /host/world => /srv/7009", grant) == "403"
    both = scope_of(1, (ceiling, ceiling), by_operator=False)
    assert bound("/x => /y ; /host/world => /srv/7009", both) == "/$/inet/127.0.0.1/7009"


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("/host/world => /host/hello", Effect("used")),
        ("/host/other => /host/hello", Effect("passed on")),
        ("/host/world => /srv-v3/world", Effect("fallback", ("/srv-v3/world",))),
        ("/host/world => /a | /b", Effect("fallback", ("/a", "/b"))),
    ],
)
def test_an_override_that_finds_nobody_says_so(text: str, effect: Effect) -> None:
    watch = Reach(STRICT, BASE, WWW)(ConfiguredInterpreter(()), read_dtab(text))()
    assert isinstance(watch.state, Ok)
    assert effect_of(watch) == effect


def test_a_loop_of_the_base_is_not_blamed_on_the_override() -> None:
    base = read_dtab("/svc => /a ; /a => /svc")
    watch = Reach(STRICT, base, WWW)(ConfiguredInterpreter(()), read_dtab("/x => /y"))()
    assert isinstance(watch.state, Failed)
    assert not isinstance(watch.state.error, RouteRefused)


PREFIXES = st.lists(
    st.lists(st.binary(min_size=1, max_size=3), max_size=3).map(
        lambda labels: Prefix((b"$", *labels))
    ),
    max_size=3,
).map(tuple)


@given(st.integers(0, 99), st.integers(0, 1), st.lists(PREFIXES, max_size=2).map(tuple))
def test_a_scope_reads_back_as_it_was_written(
    count: int, stages: int, opened: tuple[tuple[Prefix, ...], ...]
) -> None:
    scope = Scope(count, stages, opened)
    assert read_scope(scope.written()) == scope


LABELS = st.sampled_from(
    [
        "/host",
        "/world",
        "/hello",
        "/srv",
        "/7001",
        "/ph",
        "/80",
        "/addr",
        "/x",
        "/staging",
        "/web",
        "/any",
        "/byname",
        "/inet.$",
    ]
)
PATHS = st.lists(LABELS, min_size=1, max_size=3).map("".join)
WITH_WILDCARDS = st.lists(LABELS | st.just("/*"), min_size=1, max_size=3).map("".join)
ENTRIES = st.tuples(WITH_WILDCARDS, st.lists(PATHS, min_size=1, max_size=2))


@example([("/host/host", ["/host"]), ("/srv", ["/addr"])])
@given(st.lists(ENTRIES, max_size=5))
def test_whatever_an_override_says_it_reaches_only_what_the_base_names(
    entries: list[tuple[str, list[str]]],
) -> None:
    """Every address that is reached stands whole in a chain of the operator's own labels."""
    text = ";".join(f"{prefix} => {' | '.join(names)}" for prefix, names in entries)
    watch = Reach(STRICT, BASE, WWW)(ConfiguredInterpreter(()), read_dtab(text))()
    state = watch.state
    if isinstance(state, Ok):
        for one in leafs(state.value):
            assert str(one.id) in {f"/$/inet/127.0.0.1/{port}" for port in (7001, 7002, 7003)}
    else:
        assert isinstance(state, Failed)
