"""The fs interpreter: its own table is a watched file."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path as File
from typing import Final, Self

from dtab import Dtab, DtabSyntaxError, read_dtab
from naming.errors import NamingError
from naming.interpreter import ConfiguredInterpreter
from naming.namer import Namer
from naming.namers.directories import Directories, Labels
from naming.namers.whole_file import BeingWritten, read_whole
from naming.state import Failed, Ok
from naming.transformer import AnyTransformer
from naming.watch import Source

SIZE_MAX: Final = 4 * 1024 * 1024
# What file events do not reach is read again at this cadence, and a file that is being written
# at the other.
SWEEP_S: Final = 1.0
AGAIN_S: Final = 0.01


class BadDtabFile(NamingError):
    """A table file that cannot be used; the message names file, line and column."""


class FsInterpreter(ConfiguredInterpreter):
    """Binds by a table in a file, which may change while it runs.

    Shape: pending until the file could be read once; a bad edit keeps the last good table and
    is told by `dtab.trouble` as `file:line:col: ...`.
    """

    def __init__(
        self, file: File, namers: Sequence[Namer], transformers: Sequence[AnyTransformer] = ()
    ) -> None:
        self._file: Final = file
        self._source: Final[Source[Dtab]] = Source()
        self._directories: Directories | None = None
        self._sweeper: asyncio.Task[None] | None = None
        super().__init__(namers, self._source, transformers)

    async def start(self) -> None:
        """Read the file and begin to notice changes."""
        self._read()
        parent = self._file.resolve().parent
        try:
            self._directories = Directories(self._on_change)
            self._directories.add((), os.fsencode(parent), parent.stat().st_ino)
        except OSError:
            self._directories = None
        loop = asyncio.get_running_loop()
        self._sweeper = loop.create_task(self._sweep(), name="fs interpreter sweep")

    async def aclose(self) -> None:
        """Notice changes no more; the last good table stays in use."""
        if self._directories is not None:
            self._directories.close()
            self._directories = None
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
            self._sweeper = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._read()

    def _table_now(self) -> Dtab:
        data, _ = read_whole(os.fsencode(self._file), SIZE_MAX)
        if len(data) > SIZE_MAX:
            raise BadDtabFile(f"{self._file}: larger than {SIZE_MAX} bytes")
        return read_dtab(data.decode(), str(self._file))

    def _on_change(self, _: Labels) -> None:
        self._read()

    def _read(self) -> None:
        try:
            table = self._table_now()
        except BeingWritten:
            asyncio.get_running_loop().call_later(AGAIN_S, self._read)
        except DtabSyntaxError as error:
            self._source.set(Failed(BadDtabFile(error.display(str(self._file)))))
        except (OSError, UnicodeDecodeError) as error:
            self._source.set(Failed(BadDtabFile(f"{self._file}: {error}")))
        except BadDtabFile as error:
            self._source.set(Failed(error))
        else:
            self._source.set(Ok(table))
