import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError, load
from tests.kits.span_store import span
from tracing.pipeline.collector import Collector, bind
from tracing.pipeline.collector_config import CollectorConfig
from tracing.pipeline.decode.formats import decode_v2_json
from tracing.pipeline.ingest import Ingest
from tracing.pipeline.model import V2Annotation
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore
from tracing.pipeline.store.sqlite import SqliteStore
from tracing.pipeline.tags import CUT_TAG, REDACTED, TagRules

FILE = """
tags:
  redact: ["authorization", "*cookie*"]
  redact_values: ["(?i)token=\\\\w+", "[0-9]{13,16}"]
  value_chars_max: 40
"""


def config(text: str = FILE) -> CollectorConfig:
    return load(CollectorConfig, text, source="collector.yml")


def test_secrets_go_by_key_and_by_look() -> None:
    one = span(1, name="pay 4111111111111111", tags={
        "Authorization": "Basic x",
        "http.cookie.a": "b",
        "http.url": "/a?Token=abc&b=c",
        "plain": "kept",
    })  # fmt: skip
    one.annotations = [V2Annotation(1, "card 4111111111111111")]
    assert config().tags.rules().apply(one)
    assert one.name == f"pay {REDACTED}"
    assert one.annotations == [V2Annotation(1, f"card {REDACTED}")]
    assert one.tags == {
        "Authorization": REDACTED,
        "http.cookie.a": REDACTED,
        "http.url": f"/a?{REDACTED}&b=c",
        "plain": "kept",
    }


def test_half_a_secret_is_not_left_at_the_bound() -> None:
    one = span(1, tags={"a": "x" * 30 + " token=" + "s" * 50})
    config().tags.rules().apply(one)
    assert "token" not in (one.tags or {})["a"]


def test_tags_beyond_the_bound_are_dropped_and_told_but_a_failure_stays() -> None:
    one = span(1, tags={f"k{n}": "v" for n in range(9)} | {"error": "boom"})
    TagRules(tags_max=3).apply(one)
    assert one.tags == {"k0": "v", "k1": "v", "k2": "v", "error": "boom", CUT_TAG: "6"}


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=60), max_size=8))
def test_applying_the_rules_again_changes_nothing(tags: dict[str, str]) -> None:
    rules = TagRules(["secret*"], ["[0-9]{4}"], 20)
    one = span(1, tags=tags)
    rules.apply(one)
    assert not rules.apply(one)
    assert all(len(value) <= 20 for value in (one.tags or {}).values())


def test_rules_that_ask_for_nothing_are_idle() -> None:
    assert CollectorConfig().tags.rules().idle


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tags: {redact_values: ['(']}", "no regular expression"),
        ("tags: {value_chars_max: 3}", "value_chars_max"),
        ("tail: {policies: []}", "policies"),
        ("tail: {policies: [{kind: rate, rate: 2}]}", "rate"),
        ("tail: {policies: [{kind: sometimes}]}", "sometimes"),
        ("tails: {}", "tails"),
    ],
)
def test_a_file_that_asks_for_the_impossible_is_refused(text: str, place: str) -> None:
    with pytest.raises(ConfigError, match=place.replace("(", r"\(")):
        config(text)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    settings = Settings(config=config())
    started = Collector(MemoryStore(), settings, bind("127.0.0.1", 0))
    await started.start()
    yield started
    await started.aclose()


async def test_no_secret_reaches_the_store_and_what_was_changed_is_counted(
    collector: Collector,
) -> None:
    secret = {"traceId": "1" * 16, "id": "1" * 16, "tags": {"authorization": "Basic x"}}
    plain = {"traceId": "1" * 16, "id": "2" * 16, "tags": {"a": "b"}}
    async with httpx.AsyncClient(base_url=collector.url, trust_env=False) as client:
        for body in ([secret, plain], [plain]):
            answer = await client.post("/api/v2/spans", content=json.dumps(body))
            assert answer.status_code == 202
        spans = (await client.get("/api/v2/trace/" + "1" * 16)).json()
        assert [one["tags"] for one in spans] == [{"authorization": REDACTED}, {"a": "b"}]
        text = (await client.get("/prometheus")).text
        assert "weir_collector_rewritten_spans_total 1" in text


async def test_members_that_no_format_knows_do_not_stay_beside_rules(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans", exporters=["elsewhere"])
    ingest = Ingest(store, 1.0, CollectorConfig().limits.intake(), rules=config().tags.rules())
    plain = {"traceId": "1" * 16, "id": "2" * 16, "unheardOf": "a secret"}
    await ingest.accept("http", json.dumps([plain]).encode(), decode_v2_json)
    await store.check()
    [block] = await store.log("elsewhere")
    assert b"2222" in block.body
    assert b"secret" not in block.body
    await store.aclose()
