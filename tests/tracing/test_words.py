import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from tests.kits.span_store import span
from tracing.pipeline.batch import index_of
from tracing.pipeline.model import V2Annotation
from tracing.pipeline.store import words

texts = st.text(max_size=6)
filters = st.sampled_from([64, 128, 256, 512]).flatmap(
    lambda size: st.binary(min_size=size, max_size=size)
)


@given(
    st.lists(st.dictionaries(texts, texts, max_size=4), min_size=1, max_size=20),
    texts,
    st.none() | texts,
    texts,
)
def test_a_filter_never_denies_what_a_block_holds(
    tags: list[dict[str, str]], name: str, service: str | None, note: str
) -> None:
    spans = [span(1, service=service, remote="Db", name=name, tags=one) for one in tags]
    spans[0].annotations = [V2Annotation(1, note)]
    index = index_of(spans)
    bits = words.WordBits().of_block(spans, index.names, index.remotes)
    asked = [words.text(note), words.remote(None, "db")]
    asked += [words.tag(key, value) for one in tags for key, value in one.items()]
    asked += [words.text(key) for one in tags for key in one]
    if name:
        asked.append(words.span_name(service.lower() if service else None, name.lower()))
    assert all(words.may_hold(bits, word) for word in asked)


def test_a_filter_denies_most_of_what_a_block_does_not_hold() -> None:
    spans = [span(1, tags={"path": f"/{n}", "k": str(n % 5)}) for n in range(140)]
    bits = words.WordBits().of_block(spans, [], [])
    wrong = sum(words.may_hold(bits, words.tag("path", f"/not/{n}")) for n in range(10_000))
    assert wrong < 200


def test_without_a_filter_a_block_may_hold_anything() -> None:
    assert words.may_hold(None, words.text("x"))


@given(
    st.none()
    | st.sampled_from([64, 128, 256, 512]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    st.lists(st.text(max_size=4), min_size=1, max_size=8),
)
def test_the_database_reads_a_filter_as_we_do(bits: bytes | None, asked: list[str]) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        for text in asked:
            word = words.text(text)
            sql, values = words.condition(word)
            asking = f"SELECT {sql} FROM (SELECT ? AS bits)"  # noqa: S608 - our own texts
            (found,) = db.execute(asking, (*values, bits)).fetchone()
            assert bool(found) == words.may_hold(bits, word)
