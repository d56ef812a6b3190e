# A test may write a small file while the loop waits: that is the change it is about.
# ruff: noqa: ASYNC240

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from mmap import mmap
from pathlib import Path as File
from tempfile import TemporaryDirectory

import pytest

from dtab import Dtab, Path, read_dtab, read_path
from naming.endpoint import Endpoint, ReplicaSet
from naming.fs_interpreter import SIZE_MAX, FsInterpreter
from naming.namers.whole_file import TICK_NS
from naming.state import PENDING, Ok, State
from naming.waiting import until
from tests.kits.limits import no_more_files
from tests.kits.namer import PATIENCE_S
from tests.kits.static_namer import StaticNamer

WEB = ReplicaSet((Endpoint("10.0.0.1", 80),))
NAMERS = (StaticNamer(names={Path.of("a"): WEB, Path.of("b"): WEB}),)
SVC = read_path("/svc")


@pytest.fixture
def file(tmp_path: File) -> File:
    return tmp_path / "base.dtab"


@pytest.fixture
async def interpreter(file: File) -> AsyncIterator[FsInterpreter]:
    async with FsInterpreter(file, NAMERS) as started:
        yield started


async def binds_to(interpreter: FsInterpreter, wanted: str) -> None:
    def same(state: State[object]) -> bool:
        return isinstance(state, Ok) and str(state.value) == f"</#/io.weir.static/{wanted}|/>"

    async with asyncio.timeout(PATIENCE_S):
        await until(interpreter.bind(Dtab(), SVC), same)


async def trouble(interpreter: FsInterpreter) -> str:
    async with asyncio.timeout(PATIENCE_S):
        await until(interpreter.dtab, lambda _: interpreter.dtab.trouble is not None)
    return str(interpreter.dtab.trouble)


async def test_a_change_of_the_file_counts_at_once(file: File, interpreter: FsInterpreter) -> None:
    file.write_text("/svc => /#/io.weir.static/a")
    await binds_to(interpreter, "a")
    part = file.with_suffix(".part")
    part.write_text("/svc => /#/io.weir.static/b")
    part.replace(file)
    await binds_to(interpreter, "b")


async def test_a_request_overrides_the_file(file: File, interpreter: FsInterpreter) -> None:
    file.write_text("/svc => /#/io.weir.static/a")
    await binds_to(interpreter, "a")
    state = interpreter.bind(read_dtab("/svc => /#/io.weir.static/b"), SVC).state
    assert isinstance(state, Ok)
    assert str(state.value) == "</#/io.weir.static/b|/>"


async def test_a_bad_edit_keeps_the_last_good_table_and_names_its_place(
    file: File, interpreter: FsInterpreter
) -> None:
    file.write_text("/svc => /#/io.weir.static/a")
    await binds_to(interpreter, "a")
    file.write_text("# new\n/svc = > /#/io.weir.static/b\n")
    assert await trouble(interpreter) == (
        f"{file}:2:7: '>' expected but ' ' found\n  /svc = > /#/io.weir.static/b\n        ^"
    )
    await binds_to(interpreter, "a")
    file.write_text("/svc => /#/io.weir.static/b")
    await binds_to(interpreter, "b")
    assert interpreter.dtab.trouble is None


async def test_until_the_file_was_read_once_names_are_not_bound(
    file: File, interpreter: FsInterpreter
) -> None:
    assert str(file) in await trouble(interpreter)
    assert not isinstance(interpreter.bind(Dtab(), SVC).state, Ok)
    file.write_text("/svc => /#/io.weir.static/a")
    await binds_to(interpreter, "a")


async def test_a_half_written_table_is_never_used(file: File, interpreter: FsInterpreter) -> None:
    file.write_text("/svc => /#/io.weir.static/a")
    await binds_to(interpreter, "a")
    seen: list[object] = []
    unsubscribe = interpreter.dtab.subscribe(lambda: seen.append(interpreter.dtab.state))
    with file.open("w") as writing:
        writing.write("/svc => /#/io.weir.static/b")
        writing.flush()
        await asyncio.sleep(0)
        writing.write("ut/more | /#/io.weir.static/b")
    await binds_to(interpreter, "b")
    assert seen == [Ok(read_dtab("/svc=>/#/io.weir.static/but/more | /#/io.weir.static/b"))]
    unsubscribe()


@pytest.mark.parametrize("content", [b"#" * (SIZE_MAX + 1), b"/svc => /\xff"])
async def test_a_file_that_is_no_table_is_told(
    file: File, interpreter: FsInterpreter, content: bytes
) -> None:
    file.write_bytes(content)
    assert (await trouble(interpreter)).startswith(f"{file}: ")


@pytest.fixture
def in_memory() -> Iterator[File]:
    """A folder of no disk: what is written to a mapped page there changes no time of the file."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield File(folder)


async def test_a_file_that_stays_is_not_read_again(in_memory: File) -> None:
    file = in_memory / "table"
    file.write_text("/svc => /#/io.weir.static/a")
    with file.open("r+b") as opened, mmap(opened.fileno(), 0) as mapped:
        mapped[-1:] = b"a"
        os.utime(file, (0, 0))  # long ago: nobody waits for its writer
        await asyncio.sleep(2 * TICK_NS / 1e9)
        async with FsInterpreter(file, NAMERS, sweep_s=0.001) as interpreter:
            await binds_to(interpreter, "a")
            mapped[-1:] = b"b"
            for number in range(20):
                file.with_name(f"other-{number}").touch()  # an event of its directory
                await asyncio.sleep(0.002)
            await binds_to(interpreter, "a")
            os.utime(file, (0, 1))
            await binds_to(interpreter, "b")


async def test_without_file_events_the_sweep_sees_changes(file: File) -> None:
    interpreter = FsInterpreter(file, NAMERS, sweep_s=0.005)
    with no_more_files():
        await interpreter.start()
    file.write_text("/svc => /#/io.weir.static/a")
    await binds_to(interpreter, "a")
    await interpreter.aclose()


def test_an_interpreter_that_was_not_started_is_pending(file: File) -> None:
    assert FsInterpreter(file, NAMERS).bind(Dtab(), SVC).state == PENDING
