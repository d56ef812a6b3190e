import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from tests.kits.span_store import span
from tracing.pipeline.batch import index_of
from tracing.pipeline.model import V2Annotation
from tracing.pipeline.store.index import words

texts = st.text(max_size=6)


@given(
    st.lists(st.dictionaries(texts, texts, max_size=4), min_size=1, max_size=20),
    texts,
    st.none() | texts,
    texts,
)
def test_a_block_is_never_denied_what_it_holds(
    tags: list[dict[str, str]], name: str, service: str | None, note: str
) -> None:
    spans = [span(1, service=service, remote="Db", name=name, tags=one) for one in tags]
    spans[0].annotations = [V2Annotation(1, note)]
    index = index_of(spans)
    held = words.Words().of_block(spans, index.names, index.remotes)
    asked = [words.text(note), words.remote(None, "db")]
    asked += [words.tag(key, value) for one in tags for key, value in one.items()]
    asked += [words.text(key) for one in tags for key in one]
    if name:
        asked.append(words.span_name(service.lower() if service else None, name.lower()))
    assert all(words.may_hold(held, word) for word in asked)


def test_hardly_anything_is_looked_for_in_vain() -> None:
    spans = [span(1, tags={"path": f"/{n}", "k": str(n % 5)}) for n in range(140)]
    held = words.Words().of_block(spans, [], [])
    wrong = sum(words.may_hold(held, words.tag("path", f"/not/{n}")) for n in range(10_000))
    assert wrong < 5


def test_what_is_remembered_is_bounded_and_changes_nothing() -> None:
    made = words.Words()
    spans = [span(1, tags={"id": str(n)}) for n in range(100)]
    first = made.of_block(spans, [("web", "get")], [("web", "db")])
    for start in range(0, 60_000, 1_000):
        made.of_block([span(1, tags={"n": str(start + n)}) for n in range(1_000)], [], [])
    assert len(made._tags) <= 51_000
    assert set(made.of_block(spans, [("web", "get")], [("web", "db")])) == set(first)


def test_without_its_words_a_block_may_hold_anything() -> None:
    assert words.may_hold(None, words.text("x"))


@given(st.none() | st.binary(max_size=60), st.lists(st.text(max_size=4), min_size=1, max_size=8))
def test_the_database_reads_words_as_we_do(others: bytes | None, asked: list[str]) -> None:
    held = None if others is None else others + words.digest(words.text(asked[0]))
    with closing(sqlite3.connect(":memory:")) as db:
        for text in asked:
            word = words.text(text)
            sql, value = words.condition(word)
            asking = f"SELECT {sql} FROM (SELECT ? AS words)"  # noqa: S608 - our own texts
            (found,) = db.execute(asking, (value, held)).fetchone()
            assert bool(found) == words.may_hold(held, word)


def test_words_of_several_blocks_are_all_there_once() -> None:
    made = words.Words()
    parts = [made.of_block([span(1, tags={"n": str(n), "k": "v"})], [], []) for n in range(5)]
    both = words.together(parts)
    assert len(both) < sum(map(len, parts))
    assert all(words.may_hold(both, words.tag("n", str(n))) for n in range(5))
