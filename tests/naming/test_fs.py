import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path as File

import pytest

from dtab import NEG, Dtab, Leaf, Path, read_dtab, read_path
from naming.bound import Bound
from naming.endpoint import AddrNeg, Endpoint, ReplicaSet
from naming.errors import MalformedAddress
from naming.interpreter import ConfiguredInterpreter
from naming.namers.address_file import SIZE_MAX, FileTooLarge
from naming.namers.fs import FsNamer
from naming.state import PENDING, Failed, Ok, State
from naming.waiting import until
from tests.kits.limits import another_user, no_more_files
from tests.kits.namer import PATIENCE_S, addr_is, bound_of

WEB = Path.of("web")


@pytest.fixture
async def namer(tmp_path: File) -> AsyncIterator[FsNamer]:
    async with FsNamer(tmp_path) as started:
        yield started


def now(namer: FsNamer, path: str = "/web") -> Bound | None:
    """What a name is bound to at this very moment, without waiting."""
    state = namer.lookup(read_path(path)).state
    assert isinstance(state, Ok)
    if not isinstance(state.value, Leaf):
        return None
    assert isinstance(state.value.value, Bound)
    return state.value.value


def replicas(*endpoints: Endpoint) -> State[object]:
    return Ok(ReplicaSet(endpoints))


async def test_a_new_file_serves_the_very_next_request(tmp_path: File, namer: FsNamer) -> None:
    interpreter = ConfiguredInterpreter([namer], read_dtab("/svc=>/#/io.l5d.fs"))
    path = read_path("/svc/web")
    watch = interpreter.bind(Dtab(), path)
    unsubscribe = watch.subscribe(lambda: None)
    assert watch.state == Ok(NEG)
    (tmp_path / "web").write_text("10.0.0.4 8080\n")
    assert interpreter.bind(Dtab(), path).state != Ok(NEG)
    unsubscribe()


async def test_a_removed_file_is_gone_when_the_loop_next_turns(
    tmp_path: File, namer: FsNamer
) -> None:
    (tmp_path / "web").write_text("10.0.0.4 8080\n")
    watch = namer.lookup(WEB)
    assert now(namer) is not None
    (tmp_path / "web").unlink()
    for _ in range(2):
        await asyncio.sleep(0)
    assert watch.state == Ok(NEG)


@pytest.mark.parametrize(
    ("line", "endpoint"),
    [
        ("10.0.0.4 8080", Endpoint("10.0.0.4", 8080)),
        ("  10.0.0.4\t8080   # comment", Endpoint("10.0.0.4", 8080)),
        (
            "10.0.0.4 8080 * 0.5",
            Endpoint("10.0.0.4", 8080, 0.5, (("endpoint_addr_weight", 0.5),)),
        ),
        ("::1 8080", Endpoint("::1", 8080)),
        ("10.0.0.4 8080\n10.0.0.4 8080", Endpoint("10.0.0.4", 8080)),
        ("127.1 8080", Endpoint("127.0.0.1", 8080)),
    ],
)
async def test_a_line_is_an_endpoint(
    tmp_path: File, namer: FsNamer, line: str, endpoint: Endpoint
) -> None:
    (tmp_path / "web").write_text(f"# addresses\n\n{line}\n")
    bound = now(namer)
    assert bound is not None
    assert bound.addr.state == replicas(endpoint)


@pytest.mark.parametrize(
    "line",
    ["garbage", "10.0.0.4", "10.0.0.4 0", "10.0.0.4 65536", "h 80 80", "h 80 * x", "h " + "9" * 99],
)
async def test_one_bad_line_fails_the_whole_file(tmp_path: File, namer: FsNamer, line: str) -> None:
    (tmp_path / "web").write_text(f"10.0.0.4 8080\n{line} # why\n")
    bound = now(namer)
    assert bound is not None
    assert bound.addr.state == Failed(MalformedAddress(line))
    assert str(bound.addr.trouble) == f"malformed address: {line}"


async def test_a_file_that_comes_back_bad_is_failed_not_last_good(
    tmp_path: File, namer: FsNamer
) -> None:
    (tmp_path / "web").write_text("10.0.0.4 8080\n")
    bound = await bound_of(namer, WEB)
    unsubscribe = bound.addr.subscribe(lambda: None)
    (tmp_path / "web").unlink()
    await addr_is(bound.addr, AddrNeg())
    (tmp_path / "web").write_text("garbage\n")
    again = now(namer)
    assert again is not None
    assert isinstance(again.addr.state, Failed)
    unsubscribe()


async def test_a_host_name_is_resolved(tmp_path: File, namer: FsNamer) -> None:
    (tmp_path / "web").write_text("localhost 8080 * 2\n10.0.0.4 8081\n")
    bound = now(namer)
    assert bound is not None
    local = Endpoint("127.0.0.1", 8080, 2.0, (("endpoint_addr_weight", 2.0),))

    def has_local(state: State[object]) -> bool:
        return (
            isinstance(state, Ok)
            and isinstance(state.value, ReplicaSet)
            and local in state.value.endpoints
            and Endpoint("10.0.0.4", 8081) in state.value.endpoints
        )

    async with asyncio.timeout(PATIENCE_S):
        await until(bound.addr, has_local)


@pytest.mark.parametrize("path", ["/../outside", "/./web", "/%2e%2e/x", r"/\x2e\x2e/outside"])
async def test_no_name_leads_out_of_the_directory(tmp_path: File, path: str) -> None:
    (tmp_path / "outside").write_text("10.0.0.4 8080\n")
    root = tmp_path / "root"
    root.mkdir()
    (root / "web").write_text("10.0.0.4 8080\n")
    async with FsNamer(root) as namer:
        assert now(namer, path) is None


@pytest.mark.parametrize("label", [b"../outside", b"/etc/hostname", b"web\0", b"x" * 5000])
async def test_no_label_is_a_path_of_its_own(tmp_path: File, namer: FsNamer, label: bytes) -> None:
    (tmp_path / "web").write_text("10.0.0.4 8080\n")
    assert namer.lookup(Path.of(label)).state == Ok(NEG)


async def test_a_link_out_of_the_directory_has_no_addresses(tmp_path: File) -> None:
    (tmp_path / "outside").write_text("10.0.0.4 8080\n")
    root = tmp_path / "root"
    root.mkdir()
    (root / "web").symlink_to(tmp_path / "outside")
    async with FsNamer(root) as namer:
        bound = now(namer)
        assert bound is not None
        assert bound.addr.state == Ok(AddrNeg())


async def test_a_swapped_directory_of_links_is_one_change(tmp_path: File, namer: FsNamer) -> None:
    """Kubernetes mounts config maps so: names link into a directory that is swapped whole."""
    for version, port in (("v1", 1), ("v2", 2)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "web").write_text(f"10.0.0.4 {port}\n")
    (tmp_path / "..data").symlink_to("v1")
    (tmp_path / "web").symlink_to("..data/web")
    bound = await bound_of(namer, WEB)
    unsubscribe = bound.addr.subscribe(lambda: None)
    await addr_is(bound.addr, ReplicaSet((Endpoint("10.0.0.4", 1),)))
    (tmp_path / "..data_tmp").symlink_to("v2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    await addr_is(bound.addr, ReplicaSet((Endpoint("10.0.0.4", 2),)))
    unsubscribe()


async def test_a_file_is_not_seen_while_it_is_being_written(tmp_path: File, namer: FsNamer) -> None:
    with (tmp_path / "web").open("w") as file:
        file.write("10.0.0.4 80")
        file.flush()
        bound = now(namer)
        assert bound is not None
        assert bound.addr.state == PENDING
        file.write("80\n")
        file.flush()
        await asyncio.sleep(0)
        assert bound.addr.state == PENDING
    await addr_is(bound.addr, ReplicaSet((Endpoint("10.0.0.4", 8080),)))


async def test_a_file_written_again_in_place_is_never_seen_empty(
    tmp_path: File, namer: FsNamer
) -> None:
    (tmp_path / "web").write_text("10.0.0.4 8080\n")
    bound = await bound_of(namer, WEB)
    seen: list[object] = []
    unsubscribe = bound.addr.subscribe(lambda: seen.append(bound.addr.state))
    with (tmp_path / "web").open("w") as file:
        namer.lookup(WEB)
        file.write("10.0.0.5 8080\n")
        file.flush()
        namer.lookup(WEB)
    await addr_is(bound.addr, ReplicaSet((Endpoint("10.0.0.5", 8080),)))
    assert seen == [replicas(Endpoint("10.0.0.5", 8080))]
    unsubscribe()


async def test_a_replaced_file_is_one_change(tmp_path: File, namer: FsNamer) -> None:
    (tmp_path / "web").write_text("10.0.0.4 8080\n")
    bound = await bound_of(namer, WEB)
    seen: list[object] = []
    unsubscribe = bound.addr.subscribe(lambda: seen.append(bound.addr.state))
    (tmp_path / ".web.tmp").write_text("10.0.0.5 8080\n")
    (tmp_path / ".web.tmp").replace(tmp_path / "web")
    await addr_is(bound.addr, ReplicaSet((Endpoint("10.0.0.5", 8080),)))
    assert len(seen) == 1
    unsubscribe()


async def test_quick_writes_of_one_size_are_all_seen(tmp_path: File, namer: FsNamer) -> None:
    (tmp_path / "web").write_text("10.0.0.1 8080\n")
    bound = await bound_of(namer, WEB)
    unsubscribe = bound.addr.subscribe(lambda: None)
    for last in range(2, 10):
        (tmp_path / "web").write_text(f"10.0.0.{last} 8080\n")
        await addr_is(bound.addr, ReplicaSet((Endpoint(f"10.0.0.{last}", 8080),)))
    unsubscribe()


async def test_a_file_that_is_too_large_fails(tmp_path: File, namer: FsNamer) -> None:
    (tmp_path / "web").write_text("#" * (SIZE_MAX + 1))
    bound = now(namer)
    assert bound is not None
    assert isinstance(bound.addr.state, Failed)
    assert isinstance(bound.addr.state.error, FileTooLarge)


async def test_a_fifo_is_no_name(tmp_path: File, namer: FsNamer) -> None:
    os.mkfifo(tmp_path / "web")
    assert now(namer) is None


async def test_a_directory_that_becomes_a_file_binds(tmp_path: File, namer: FsNamer) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "web").write_text("10.0.0.4 8080\n")
    deep = namer.lookup(read_path("/team/web"))
    unsubscribe = deep.subscribe(lambda: None)
    first = now(namer, "/team/web")
    assert first is not None
    assert str(first) == "</#/io.l5d.fs/team/web|/>"
    (tmp_path / "team").rename(tmp_path / "old")
    (tmp_path / "team").write_text("10.0.0.5 8080\n")

    def moved(state: State[object]) -> bool:
        return isinstance(state, Ok) and str(state.value) == "</#/io.l5d.fs/team|/web>"

    async with asyncio.timeout(PATIENCE_S):
        await until(deep, moved)
    unsubscribe()


async def test_without_file_events_the_sweep_sees_changes(tmp_path: File) -> None:
    (tmp_path / "web").write_text("10.0.0.4 8080\n")
    namer = FsNamer(tmp_path, alone_s=0.005)
    with no_more_files():
        await namer.start()
    bound = await bound_of(namer, WEB)
    await addr_is(bound.addr, ReplicaSet((Endpoint("10.0.0.4", 8080),)))
    (tmp_path / "web").write_text("10.0.0.5 8080\n")
    await addr_is(bound.addr, ReplicaSet((Endpoint("10.0.0.5", 8080),)))
    await namer.aclose()


def test_a_namer_that_was_not_started_looks_when_it_is_asked(tmp_path: File) -> None:
    namer = FsNamer(tmp_path / "later")
    assert now(namer) is None
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "web").write_text("10.0.0.4 8080\n")
    bound = now(namer)
    assert bound is not None
    assert bound.addr.state == replicas(Endpoint("10.0.0.4", 8080))


@pytest.fixture
def readable() -> Iterator[File]:
    """A directory that other users may read; pytest's own may not be entered."""
    with tempfile.TemporaryDirectory() as folder:
        File(folder).chmod(0o755)
        yield File(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run it as root")
async def test_where_leases_are_refused_a_file_is_seen_when_it_rests(readable: File) -> None:
    async with FsNamer(readable) as namer:
        (readable / "web").write_text("10.0.0.4 8080\n")
        with another_user():
            watch = namer.lookup(WEB)
            unsubscribe = watch.subscribe(lambda: None)
            bound = now(namer)
            assert bound is not None
            assert bound.addr.state == PENDING
            await addr_is(bound.addr, ReplicaSet((Endpoint("10.0.0.4", 8080),)))
            unsubscribe()
