"""What namers promise: classes of tests, and a world for each namer to pass them in."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from dtab import Dtab, Leaf, NameTree, Neg, Path
from naming.bind import bind
from naming.bound import Bound
from naming.endpoint import Addr, AddrNeg, Endpoint, ReplicaSet
from naming.namer import Name, Namer
from naming.state import Ok, State
from naming.waiting import until
from naming.watch import Watch

PATIENCE_S = 30.0

ONE = Endpoint("127.0.0.1", 8001)
TWO = Endpoint("127.0.0.2", 8001)


class World(Protocol):
    """A namer and the power to change what it watches."""

    @property
    def namer(self) -> Namer:
        """The namer under test."""
        ...

    @property
    def name(self) -> Path:
        """A name, less the prefix, that the world can have and is without at first."""
        ...

    async def put(self, endpoints: Sequence[Endpoint]) -> None:
        """Have the name stand for these endpoints from now on."""

    async def remove(self) -> None:
        """Have the name no longer exist."""


class FrailWorld(World, Protocol):
    """A world whose source can break."""

    async def spoil(self) -> None:
        """Break the source, so that the namer can no longer say what the name stands for."""


def answered(state: State[object]) -> bool:
    return isinstance(state, Ok)


def is_bound(state: State[NameTree[Name]]) -> bool:
    return isinstance(state, Ok) and isinstance(state.value, Leaf)


def is_neg(state: State[NameTree[Name]]) -> bool:
    return isinstance(state, Ok) and isinstance(state.value, Neg)


async def tree_of(watch: Watch[NameTree[Name]]) -> NameTree[Name]:
    async with asyncio.timeout(PATIENCE_S):
        state = await until(watch, answered)
    assert isinstance(state, Ok)
    return state.value


async def bound_of(namer: Namer, path: Path) -> Bound:
    async with asyncio.timeout(PATIENCE_S):
        state = await until(namer.lookup(path), is_bound)
    assert isinstance(state, Ok)
    assert isinstance(state.value, Leaf)
    assert isinstance(state.value.value, Bound)
    return state.value.value


async def addr_is(addr: Watch[Addr], wanted: Addr) -> None:
    """Wait until the addresses are these; the order of endpoints plays no part."""

    def same(state: State[Addr]) -> bool:
        if not isinstance(state, Ok):
            return False
        if isinstance(wanted, AddrNeg) or isinstance(state.value, AddrNeg):
            return state.value == wanted
        return set(state.value.endpoints) == set(wanted.endpoints)

    async with asyncio.timeout(PATIENCE_S):
        await until(addr, same)


class NamerContract:
    """What every namer promises. Subclass it with a fixture `world`."""

    async def test_an_unknown_name_is_neg(self, world: World) -> None:
        assert isinstance(await tree_of(world.namer.lookup(world.name)), Neg)

    async def test_the_prefix_alone_is_neg(self, world: World) -> None:
        assert isinstance(await tree_of(world.namer.lookup(Path())), Neg)

    async def test_a_known_name_is_bound_and_its_id_binds_to_it_again(self, world: World) -> None:
        await world.put([ONE])
        bound = await bound_of(world.namer, world.name)
        assert bound.id == world.namer.prefix + world.name
        assert bound.residual == Path()
        again = bind(bound.id, Dtab(), [world.namer]).state
        assert again == Ok(Leaf(bound))

    async def test_labels_beyond_the_name_are_residual(self, world: World) -> None:
        await world.put([ONE])
        bound = await bound_of(world.namer, world.name + Path.of("cart", b"\xff/"))
        assert bound.id == world.namer.prefix + world.name
        assert bound.residual == Path.of("cart", b"\xff/")

    async def test_a_name_has_one_watch_while_it_is_in_use(self, world: World) -> None:
        watch = world.namer.lookup(world.name)
        assert world.namer.lookup(world.name) is watch

    async def test_a_name_that_appears_is_told(self, world: World) -> None:
        watch = world.namer.lookup(world.name)
        changed = asyncio.Event()
        unsubscribe = watch.subscribe(changed.set)
        assert isinstance(await tree_of(watch), Neg)
        await world.put([ONE])
        async with asyncio.timeout(PATIENCE_S):
            await until(watch, is_bound)
        assert changed.is_set()
        unsubscribe()

    async def test_a_change_comes_as_a_whole_new_set(self, world: World) -> None:
        await world.put([ONE])
        bound = await bound_of(world.namer, world.name)
        seen: list[Addr] = []

        def note() -> None:
            if isinstance(bound.addr.state, Ok):
                seen.append(bound.addr.state.value)

        unsubscribe = bound.addr.subscribe(note)
        await addr_is(bound.addr, ReplicaSet((ONE,)))
        await world.put([ONE, TWO])
        await addr_is(bound.addr, ReplicaSet((ONE, TWO)))
        await world.put([TWO])
        await addr_is(bound.addr, ReplicaSet((TWO,)))
        unsubscribe()
        for addr in seen:
            assert isinstance(addr, ReplicaSet)
            assert addr.endpoints, "a set was told in pieces"

    async def test_a_name_that_goes_is_neg(self, world: World) -> None:
        await world.put([ONE])
        bound = await bound_of(world.namer, world.name)
        watch = world.namer.lookup(world.name)
        await world.remove()
        async with asyncio.timeout(PATIENCE_S):
            await until(watch, is_neg)
        assert bound.id == world.namer.prefix + world.name


class EmptyContract:
    """For a namer whose names may stand for no endpoint. Subclass it with a fixture `world`."""

    async def test_nobody_home_is_not_neg(self, world: World) -> None:
        await world.put([])
        bound = await bound_of(world.namer, world.name)
        await addr_is(bound.addr, ReplicaSet(()))


class FrailContract:
    """For a namer whose source can break. Subclass it with a fixture `world`."""

    async def test_what_fails_keeps_its_last_good_state_and_says_so(
        self, world: FrailWorld
    ) -> None:
        await world.put([ONE])
        bound = await bound_of(world.namer, world.name)
        unsubscribe = bound.addr.subscribe(lambda: None)
        await addr_is(bound.addr, ReplicaSet((ONE,)))
        await world.spoil()
        async with asyncio.timeout(PATIENCE_S):
            await until(bound.addr, lambda _: bound.addr.trouble is not None)
        assert bound.addr.state == Ok(ReplicaSet((ONE,)))
        await world.put([TWO])
        await addr_is(bound.addr, ReplicaSet((TWO,)))
        assert bound.addr.trouble is None
        unsubscribe()
