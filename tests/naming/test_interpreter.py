import asyncio

import pytest

from dtab import NEG, Dtab, Leaf, Path, read_dtab, read_path
from naming.bind import BoundTree
from naming.bound import Bound
from naming.delegation import Step
from naming.endpoint import AddrNeg, Endpoint, ReplicaSet
from naming.interpreter import CannotDelegateError, ConfiguredInterpreter
from naming.namers.inet import InetResolver
from naming.state import PENDING, Failed, Ok, State
from naming.system import SystemNamers
from naming.transformer import TransformedNamer
from naming.transformers import ConstTransformer, PortTransformer, ReplaceTransformer
from naming.waiting import until
from naming.watch import Source
from tests.kits.static_namer import StaticNamer
from tests.kits.tables import TableResolver

WEB = ReplicaSet((Endpoint("10.0.0.1", 80),))
USERS = ReplicaSet((Endpoint("10.0.0.2", 80),))
BASE = read_dtab("/svc => /#/io.weir.static")
SVC_WEB = read_path("/svc/web")


def namer() -> StaticNamer:
    return StaticNamer(names={Path.of("web"): WEB, Path.of("users"): USERS})


def text(state: State[BoundTree]) -> str:
    assert isinstance(state, Ok), state
    return str(state.value)


def bound(state: State[BoundTree]) -> Bound:
    assert isinstance(state, Ok)
    assert isinstance(state.value, Leaf)
    return state.value.value


def test_the_request_overrides_the_base() -> None:
    interpreter = ConfiguredInterpreter([namer()], BASE)
    local = read_dtab("/svc/web => /svc/users")
    assert text(interpreter.bind(Dtab(), SVC_WEB).state) == "</#/io.weir.static/web|/>"
    assert text(interpreter.bind(local, SVC_WEB).state) == "</#/io.weir.static/users|/>"


def test_a_binding_is_shared() -> None:
    interpreter = ConfiguredInterpreter([namer()], BASE)
    one = interpreter.bind(read_dtab("/a=>/b"), SVC_WEB)
    assert interpreter.bind(read_dtab("/a => /b ;"), read_path("/svc/web")) is one


def test_bindings_are_bounded() -> None:
    interpreter = ConfiguredInterpreter([namer()], BASE, kept_max=2)
    one = interpreter.bind(Dtab(), SVC_WEB)
    for number in range(3):
        interpreter.bind(Dtab(), Path.of("svc", str(number)))
    assert interpreter.bind(Dtab(), SVC_WEB) is not one


def test_a_change_of_a_namer_is_told_once() -> None:
    static = namer()
    watch = ConfiguredInterpreter([static], BASE).bind(Dtab(), SVC_WEB)
    seen: list[str] = []
    unsubscribe = watch.subscribe(lambda: seen.append(text(watch.state)))
    static.set({Path.of("web"): USERS})
    assert seen == []
    static.set({})
    static.set({Path.of("web"): WEB})
    assert seen == ["~", "</#/io.weir.static/web|/>"]
    unsubscribe()


def test_a_table_that_is_not_there_yet_is_pending_and_a_new_one_counts_at_once() -> None:
    table = Source[Dtab]()
    interpreter = ConfiguredInterpreter([namer()], table)
    watch = interpreter.bind(Dtab(), SVC_WEB)
    assert watch.state == PENDING
    assert interpreter.delegate(Dtab(), SVC_WEB).state == PENDING
    table.set(Ok(BASE))
    assert text(watch.state) == "</#/io.weir.static/web|/>"
    table.set(Ok(read_dtab("/svc/web => /#/io.weir.static/users")))
    assert text(watch.state) == "</#/io.weir.static/users|/>"
    assert interpreter.dtab is table


def test_a_failed_binding_keeps_the_last_good_tree_and_says_so() -> None:
    table = Source[Dtab](Ok(BASE))
    watch = ConfiguredInterpreter([namer()], table).bind(Dtab(), SVC_WEB)
    unsubscribe = watch.subscribe(lambda: None)
    table.set(Ok(read_dtab("/svc => /svc")))
    assert text(watch.state) == "</#/io.weir.static/web|/>"
    assert str(watch.trouble) == "Max recursion level: 100 reached in Namer lookup"
    unsubscribe()


def test_the_namer_that_comes_first_is_preferred() -> None:
    first = StaticNamer(Path.of("#", "n"), {Path.of("web"): WEB})
    second = StaticNamer(Path.of("#", "n"), {Path.of("web"): USERS, Path.of("x"): USERS})
    interpreter = ConfiguredInterpreter([first, second, SystemNamers(TableResolver())])
    state = interpreter.bind(Dtab(), read_path("/#/n/web")).state
    assert isinstance(state, Ok)
    assert bound(state).addr.state == Ok(WEB)
    assert text(interpreter.bind(Dtab(), read_path("/#/n/x")).state) == "</#/n/x|/>"
    assert len(interpreter.namers) == 3


async def test_system_namers_are_there_unless_given() -> None:
    interpreter = ConfiguredInterpreter([])
    state = interpreter.bind(Dtab(), read_path("/$/inet/127.1/8080/r")).state
    assert text(state) == "</$/inet/127.1/8080|/r>"
    assert bound(state).addr.state == Ok(ReplicaSet((Endpoint("127.0.0.1", 8080),)))


def test_transformers_apply_in_order_and_stack_their_prefixes() -> None:
    interpreter = ConfiguredInterpreter([namer()], BASE, [PortTransformer(1), PortTransformer(2)])
    state = interpreter.bind(Dtab(), SVC_WEB).state
    assert text(state) == "</%/io.l5d.port/2/%/io.l5d.port/1/#/io.weir.static/web|/>"
    assert interpreter.bind(Dtab(), read_path("/svc/none")).state == Ok(NEG)
    told = interpreter.delegate(Dtab(), SVC_WEB).state
    assert isinstance(told, Ok)
    assert isinstance(told.value, Step)


def test_const_binds_its_path_even_for_neg() -> None:
    const = ConstTransformer(read_path("/#/io.weir.static/users"))
    interpreter = ConfiguredInterpreter([namer()], BASE, [const])
    wanted = "</%/io.l5d.const/#/io.weir.static/users|/>"
    assert text(interpreter.bind(Dtab(), read_path("/svc/none")).state) == wanted
    with pytest.raises(CannotDelegateError):
        interpreter.delegate(Dtab(), SVC_WEB)


def test_replace_leaves_neg_alone() -> None:
    replace = ReplaceTransformer(read_path("/#/io.weir.static/users"))
    interpreter = ConfiguredInterpreter([namer()], BASE, [replace])
    wanted = "</%/io.l5d.replace/#/io.weir.static/users|/>"
    assert text(interpreter.bind(Dtab(), SVC_WEB).state) == wanted
    assert interpreter.bind(Dtab(), read_path("/svc/none")).state == Ok(NEG)
    loop = read_dtab("/svc/loop => /svc/loop")
    assert isinstance(interpreter.bind(loop, read_path("/svc/loop")).state, Failed)


def test_a_replacement_that_fails_fails_the_name() -> None:
    replace = ReplaceTransformer(read_path("/$/nosuch"))
    interpreter = ConfiguredInterpreter([namer()], BASE, [replace])
    assert isinstance(interpreter.bind(Dtab(), SVC_WEB).state, Failed)


def test_a_namers_own_transformers_touch_its_bound_names_only() -> None:
    inner = TransformedNamer(namer(), [PortTransformer(4140)])
    interpreter = ConfiguredInterpreter([inner], read_dtab("/svc => /#/io.weir.static ; /s=>/svc"))
    wanted = "</%/io.l5d.port/4140/#/io.weir.static/web|/>"
    assert text(interpreter.bind(Dtab(), read_path("/s/web")).state) == wanted
    assert inner.prefix == Path.of("#", "io.weir.static")


async def test_a_host_is_resolved_while_someone_watches() -> None:
    addr = InetResolver(interval_s=0.001).watch("localhost", 80)
    assert addr.state == PENDING
    async with asyncio.timeout(30):
        await until(addr, lambda state: isinstance(state, Ok))
    assert isinstance(addr.state, Ok)
    assert isinstance(addr.state.value, ReplicaSet)
    assert Endpoint("127.0.0.1", 80) in addr.state.value.endpoints


async def test_a_fixed_host_is_asked_for_once_and_an_odd_one_fails() -> None:
    resolver = InetResolver(interval_s=0.001)
    for host in ("localhost", "no..dots", "nul\0", "x" * 300):
        addr = resolver.watch(host, 80, fixed=True)
        assert resolver.watch(host, 80, fixed=True) is addr
        async with asyncio.timeout(30):
            state = await until(addr, lambda state: state != PENDING)
        if host != "localhost":
            assert isinstance(state, Failed) or state == Ok(AddrNeg())
    await resolver.aclose()
