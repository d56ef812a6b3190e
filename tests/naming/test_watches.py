import asyncio

import pytest

from naming.derived import Computed, Derived, mapped, settled
from naming.errors import MalformedAddress, NamingError
from naming.polled import Answer, Polled
from naming.state import PENDING, Failed, Ok, Pending, State
from naming.table import SharedTable
from naming.waiting import answered, until
from naming.watch import Always, Source, Watch

FAILED = Failed(NamingError("no"))


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


def test_subscribers_are_called_only_on_change() -> None:
    source, counter = Source[int](), Counter()
    unsubscribe = source.subscribe(counter)
    source.set(Ok(1))
    source.set(Ok(1))
    assert counter.calls == 1
    unsubscribe()
    unsubscribe()
    source.set(Ok(2))
    assert counter.calls == 1
    assert repr(source) == "Source(Ok(value=2))"


@pytest.mark.parametrize("later", [FAILED, PENDING])
def test_the_last_good_state_stays(later: State[int]) -> None:
    source = Source[int]()
    source.set(Ok(1))
    source.set(later)
    assert source.state == Ok(1)
    assert source.trouble == (FAILED.error if later is FAILED else None)
    source.set(Ok(2))
    assert source.state == Ok(2)
    assert source.trouble is None


def test_trouble_is_a_change() -> None:
    source, counter = Source[int](Ok(1)), Counter()
    source.subscribe(counter)
    source.set(FAILED)
    source.set(FAILED)
    assert counter.calls == 1


def test_failures_before_the_first_good_state_are_shown() -> None:
    source = Source[int]()
    source.set(FAILED)
    assert [source.state, source.trouble] == [FAILED, FAILED.error]
    source.set(PENDING)
    assert [source.state, source.trouble] == [PENDING, None]


def test_forgetting_lets_the_last_good_state_go() -> None:
    source, counter = Source[int](Ok(1)), Counter()
    source.subscribe(counter)
    source.forget(FAILED)
    source.forget(FAILED)
    assert source.state == FAILED
    assert counter.calls == 1


def test_one_who_is_unsubscribed_meanwhile_is_not_called() -> None:
    source, counter = Source[int](), Counter()

    def first() -> None:
        unsubscribe()

    source.subscribe(first)
    unsubscribe = source.subscribe(counter)
    source.set(Ok(1))
    assert counter.calls == 0


def test_errors_are_equal_by_kind_and_message() -> None:
    assert MalformedAddress("x") == MalformedAddress("x")
    assert NamingError("malformed address: x") != MalformedAddress("x")
    assert len({MalformedAddress("x"), MalformedAddress("x")}) == 1


def test_a_derived_watch_listens_only_while_someone_listens() -> None:
    source = Source[int](Ok(1))
    double = mapped(source, lambda value: value * 2)
    assert double.state == Ok(2)
    assert [source.in_use] == [False]
    source.set(Ok(2))
    assert double.state == Ok(4)
    counter = Counter()
    unsubscribe = double.subscribe(counter)
    assert source.in_use
    source.set(Ok(3))
    assert (double.state, counter.calls) == (Ok(6), 1)
    unsubscribe()
    assert [source.in_use] == [False]
    source.set(Ok(4))
    assert (double.state, counter.calls) == (Ok(8), 1)


def test_equal_successive_values_are_passed_on_once() -> None:
    source, counter = Source[int](Ok(1)), Counter()
    mapped(source, lambda value: value > 0).subscribe(counter)
    source.set(Ok(2))
    assert counter.calls == 0


def test_a_derived_watch_follows_what_it_was_computed_from_last() -> None:
    which = Source[str](Ok("a"))
    values = {"a": Source[int](Ok(1)), "b": Source[int](Ok(2))}

    def compute() -> Computed[int]:
        state = which.state
        assert isinstance(state, Ok)
        return values[state.value].state, (which, values[state.value])

    derived, counter = Derived(compute), Counter()
    unsubscribe = derived.subscribe(counter)
    which.set(Ok("b"))
    assert derived.state == Ok(2)
    assert values["b"].in_use
    assert not values["a"].in_use
    values["a"].set(Ok(9))
    assert counter.calls == 1
    unsubscribe()


def test_trouble_behind_a_derived_watch_shows_through() -> None:
    source = Source[int](Ok(1))
    twice = mapped(mapped(source, lambda value: value + 1), lambda value: value * 2)
    counter = Counter()
    twice.subscribe(counter)
    source.set(FAILED)
    assert twice.state == Ok(4)
    assert twice.trouble == FAILED.error
    assert counter.calls == 1


def test_an_unheard_chain_of_derived_watches_is_as_new_as_its_source() -> None:
    source = Source[int]()
    twice = mapped(mapped(source, lambda value: value + 1), lambda value: value * 2)
    assert isinstance(twice.state, Pending)
    source.set(Ok(1))
    assert twice.version > 0
    assert [twice.state, twice.trouble] == [Ok(4), None]


def test_a_watch_that_never_changes_keeps_no_subscribers() -> None:
    always: Watch[int] = Always(Ok(1))
    always.subscribe(Counter())()
    assert not always.in_use
    assert Always(FAILED).trouble == FAILED.error


def test_what_is_held_stays_in_the_table_and_the_rest_goes_oldest_first() -> None:
    table: SharedTable[int, Source[int]] = SharedTable(kept_max=2)
    held = table.get(0, lambda key: Source(Ok(key)))
    for key in (1, 2, 3):
        table.get(key, lambda key: Source(Ok(key)))
    assert table.get(0, lambda _: Source()) is held
    assert len(table) <= 3
    table.drop(0)
    assert table.get(0, lambda _: Source()) is not held


@pytest.mark.parametrize(("state", "is_settled"), [(Ok(1), True), (FAILED, True), (PENDING, False)])
def test_what_has_an_answer_is_settled(state: State[int], *, is_settled: bool) -> None:
    assert settled(state) is is_settled


async def test_waiting_ends_with_the_answer() -> None:
    source = Source[int]()
    waiter = asyncio.ensure_future(answered(source))
    await asyncio.sleep(0)
    source.set(Ok(1))
    assert await waiter == 1
    assert not source.in_use


async def test_waiting_raises_what_failed() -> None:
    with pytest.raises(NamingError, match="no"):
        await answered(Source[int](FAILED))


async def test_a_polled_watch_asks_only_while_someone_listens() -> None:
    asked = 0

    async def ask() -> Answer[int]:
        nonlocal asked
        asked += 1
        return Answer(Ok(asked), 0.0)

    polled = Polled(ask)
    await asyncio.sleep(0)
    assert asked == 0
    async with asyncio.timeout(30):
        await until(polled, lambda state: isinstance(state, Ok) and state.value > 2)
    before = asked
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asked == before
    await polled.aclose()
