"""The small pure parts: rates, paths, the grant desk, audit."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dtab import read_dtab, read_prefix
from edge.grants.desk import TOKENS_MAX, Ceiling, GrantDesk
from edge.grants.grant import Grant, GrantRefused, Reason, mint, read_grant
from edge.rules.capability import Capability
from edge.rules.paths import AmbiguousPath, normal_target
from edge.rules.place import Place
from edge.rules.rates import Meter, Rate, client_key
from edge.verdict.context import Answer, EdgeContext
from edge.verdict.limiter import Limiter, Limits
from edge.verdict.trail import visible

NOW = 1_800_000_000
KEY = Ed25519PrivateKey.generate()
GRANT = Grant(
    id="1", name="alice", kid="k", hosts=("a.example",), not_before_s=NOW, expires_s=NOW + 60
)


def test_what_is_told_in_a_header_stays_in_its_line() -> None:
    assert visible("malformed address: 1\r\nX: \x1b[1m\u00e9") == "malformed address: 1??X: ?[1m?"


@given(st.lists(st.floats(0.0, 5.0), max_size=200), st.floats(0.1, 50.0), st.integers(1, 20))
def test_no_window_lets_more_pass_than_the_rate(
    gaps: list[float], per_s: float, burst: int
) -> None:
    meter = Meter(Rate(per_s, burst))
    now, passed = 100.0, []
    for gap in gaps:
        now += gap
        wait_s = meter.take("one", now)
        assert wait_s >= 0.0
        if not wait_s:
            passed.append(now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            allowed = burst + (passed[last] - start) * per_s
            assert last - first + 1 <= allowed + 1e-6


def test_whoever_waits_as_told_may_pass() -> None:
    meter = Meter(Rate(2.0, 3))
    assert [meter.take("a", 10.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    wait_s = meter.take("a", 10.0)
    assert wait_s == pytest.approx(0.5)
    assert meter.take("a", 10.0 + wait_s) == 0.0
    assert meter.refused == 1


def test_a_flood_of_clients_stays_within_its_memory() -> None:
    meter = Meter(Rate(1.0, 1), keys_max=100)
    assert meter.take("busy", 0.0) == 0.0
    for number in range(1_000):
        meter.take(f"c{number}", 0.1)
        assert meter.take("busy", 0.1) > 0.0  # whoever keeps asking is not forgotten
    assert len(meter) <= 102


def limited(
    limiter: Limiter, *, client: str = "192.0.2.1", host: str = "", grant: str = ""
) -> Answer | None:
    context = EdgeContext(
        trusted=False,
        client=client,
        place=Place(pattern=host) if host else None,
        grant=replace(GRANT, id=grant) if grant else None,
    )
    return limiter.check(context, 100.0)


def test_clients_hosts_and_grants_have_limits_of_their_own() -> None:
    one = Rate(0.1, 1)
    limiter = Limiter(Limits(client=Rate(0.1, 3), host=one, grant=one))
    assert limited(limiter, host="a.example") is None
    assert limited(limiter, host="b.example") is None
    assert limited(limiter, client="192.0.2.2", host="a.example") is not None  # the host's is used
    assert limited(limiter, client="192.0.2.2", grant="g1") is None
    assert limited(limiter, client="192.0.2.3", grant="g1") is not None  # from wherever it comes
    assert limited(limiter, client="192.0.2.3", grant="g2") is None
    assert limited(limiter) is None
    answer = limited(limiter)
    assert answer is not None
    assert (answer.status, answer.stage) == (429, "rate")
    lines = dict(line.split(b": ") for line in answer.block.split(b"\r\n")[1:])
    assert lines[b"Retry-After"] == b"10"
    assert lines[b"RateLimit"] == b"limit=3, remaining=0, reset=10"
    assert lines[b"RateLimit-Policy"] == b"3;w=30"
    assert limiter.refused == {"client": 1, "host": 1, "grant": 1}


@pytest.mark.parametrize(
    ("ip", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9"),
        ("fe80::1%eth0", "fe80::2"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_one_site_is_one_client(ip: str, same: str) -> None:
    assert client_key(ip) == client_key(same)
    assert client_key("2001:db8:0:2::1") != client_key("2001:db8:0:1::1")


PATHS = st.lists(
    st.sampled_from(
        [b"a", b"/", b".", b"%", b"2", b"e", b"f", b";", b"%41", b"%c3%a9", b"%2F", b"?", b"\\"]
    ),
    max_size=12,
).map(lambda parts: b"/" + b"".join(parts))


@given(PATHS)
def test_the_normal_form_is_one_and_has_no_second_reading(target: bytes) -> None:
    try:
        normal = normal_target(target)
    except AmbiguousPath:
        return
    assert normal_target(normal) == normal
    path = normal.partition(b"?")[0]
    assert b"//" not in path
    assert b"\\" not in path
    assert not re.search(rb"%(?:2[Ff]|5[Cc]|[01].|7F)", path)
    assert not {b".", b".."} & {part.partition(b";")[0] for part in path.split(b"/")}
    assert normal.partition(b"?")[2] == target.partition(b"?")[2]


def test_an_ordinary_target_stays_the_same_object() -> None:
    target = b"/a/b-c_d.html?x=y"
    assert normal_target(target) is target


def grant(number: int = 1, *, seconds: int = 3_600, override: str = "") -> Grant:
    return Grant(
        id=f"g{number}", name="alice", kid="k", hosts=("*.example",), not_before_s=NOW,
        expires_s=NOW + seconds, override=read_dtab(override),
    )  # fmt: skip


def desk(ceiling: Ceiling | None = None) -> GrantDesk:
    made = GrantDesk(ceiling)
    made.set_keys({"k": KEY.public_key()})
    return made


@given(
    st.builds(
        Grant,
        id=st.from_regex(r"[0-9a-f]{1,16}", fullmatch=True),
        name=st.from_regex(r"[!-~]{1,30}", fullmatch=True),
        kid=st.just("k"),
        hosts=st.lists(st.sampled_from(["*", "a", "*.b.example"]), min_size=1).map(tuple),
        not_before_s=st.integers(0, 1 << 39),
        expires_s=st.integers(0, 1 << 39),
        override=st.sampled_from(["", "/a=>/b", "/a=>/b|/c"]).map(read_dtab),
        may=st.sampled_from([None, Capability(prefixes=(read_prefix("/a/*"),), targets=())]),
        sample=st.booleans(),
        debug=st.booleans(),
        reads_only=st.booleans(),
    )
)
def test_a_grant_reads_back_as_it_was_made(made: Grant) -> None:
    assert read_grant(mint(made, KEY).encode(), {"k": KEY.public_key()}) == made


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_no_changed_byte_of_a_grant_is_taken(at: int, value: int) -> None:
    token = bytearray(mint(grant(), KEY).encode())
    at %= len(token)
    if token[at] == value:
        return
    token[at] = value
    with pytest.raises(GrantRefused):
        read_grant(bytes(token), {"k": KEY.public_key()})


def reason(made: GrantDesk, token: bytes, *, now: float = NOW, client: str = "") -> Reason:
    with pytest.raises(GrantRefused) as refused:
        made.open(token, b"a.example", b"GET", now, client)
    return refused.value.reason


def test_a_grant_ends_on_the_second() -> None:
    made, token = desk(), mint(grant(), KEY).encode()
    assert made.open(token, b"a.example", b"GET", NOW + 3_599.9).name == "alice"
    assert reason(made, token, now=NOW + 3_600) is Reason.EXPIRED
    assert reason(made, token, now=NOW - 31) is Reason.EARLY
    assert made.refused == {"expired": 1, "not_yet_valid": 1}


def test_no_grant_exceeds_the_ceiling() -> None:
    ceiling = Ceiling(may=Capability(prefixes=(read_prefix("/host"),), targets=None), debug=False)
    made = desk(ceiling)
    for text in ("/svc => /srv/x", "/host/a => /$/inet/10.0.0.1/80"):
        assert reason(made, mint(grant(override=text), KEY).encode()) is Reason.CEILING
    within = mint(grant(override="/host/a=>/b"), KEY).encode()
    assert made.open(within, b"a.example", b"GET", NOW).id == "g1"
    assert reason(desk(), mint(grant(seconds=700_000), KEY).encode()) is Reason.LIFETIME


def test_a_client_whose_tokens_fail_is_soon_not_looked_at() -> None:
    made = desk()
    reasons = [
        reason(made, mint(grant(n), Ed25519PrivateKey.generate()).encode(), client="1.2.3.4")
        for n in range(30)
    ]
    assert reasons == [Reason.SIGNATURE] * 20 + [Reason.FLOOD] * 10
    token = mint(grant(), KEY).encode()
    assert made.open(token, b"a.example", b"GET", NOW, "5.6.7.8").id == "g1"
    # What was verified once needs no second look, whoever asks.
    assert made.open(token, b"a.example", b"GET", NOW, "1.2.3.4").id == "g1"


def test_the_desk_remembers_no_more_than_it_may() -> None:
    made = desk()
    for number in range(TOKENS_MAX + 100):
        reason(made, b"x.y.%d" % number)
    assert len(made._known) == TOKENS_MAX
