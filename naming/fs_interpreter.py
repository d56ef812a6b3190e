"""The fs interpreter: its own table is a watched file."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path as File
from typing import Final, Self

from dtab import Dtab, DtabSyntaxError, read_dtab
from naming.errors import NamingError
from naming.interpreter import ConfiguredInterpreter
from naming.namer import Namer
from naming.namers.directories import Labels
from naming.namers.lookout import SWEEP_S, Lookout
from naming.namers.whole_file import BeingWritten, Mark, mark, read_whole, trusted
from naming.state import Failed, Ok, State
from naming.transformer import AnyTransformer
from naming.watch import Source

SIZE_MAX: Final = 4 * 1024 * 1024


class BadDtabFile(NamingError):
    """A table file that cannot be used; the message names file, line and column."""


class FsInterpreter(ConfiguredInterpreter):
    """Binds by a table in a file, which may change while it runs.

    Shape: pending until the file could be read once; a bad edit keeps the last good table and
    is told by `dtab.trouble` as `file:line:col: ...`.
    """

    def __init__(
        self,
        file: File,
        namers: Sequence[Namer],
        transformers: Sequence[AnyTransformer] = (),
        *,
        sweep_s: float = SWEEP_S,
    ) -> None:
        self._file: Final = file
        self._mark: Mark | None = None
        self._source: Final[Source[Dtab]] = Source()
        self._lookout: Final = Lookout(self._on_change, sweep_s=sweep_s, alone_s=sweep_s)
        super().__init__(namers, self._source, transformers)

    async def start(self) -> None:
        """Read the file and begin to notice changes."""
        self._lookout.start()
        self._on_change(())

    async def aclose(self) -> None:
        """Notice changes no more; the last good table stays in use."""
        await self._lookout.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _on_change(self, _: Labels) -> None:
        # Before reading, so that what comes after the look is told. Without a directory, or with a
        # loop of links (RuntimeError), the reading says what is wrong.
        with suppress(OSError, RuntimeError):
            parent = self._file.resolve().parent
            self._lookout.add((), os.fsencode(parent), parent.stat().st_ino)
        self._read()

    def _read(self) -> None:
        """Read the file if it has changed: a table of 10,000 dentries takes a fifth of a second."""
        path = os.fsencode(self._file)
        try:
            if mark(self._file.stat()) == self._mark:
                return
            data, found = read_whole(path, SIZE_MAX)
        except BeingWritten:
            self._lookout.again(())
        except OSError as error:
            self._mark = None
            self._source.set(Failed(BadDtabFile(f"{self._file}: {error}")))
        else:
            self._mark = trusted(found)
            self._source.set(self._parse(data))

    def _parse(self, data: bytes) -> State[Dtab]:
        if len(data) > SIZE_MAX:
            return Failed(BadDtabFile(f"{self._file}: larger than {SIZE_MAX} bytes"))
        try:
            return Ok(read_dtab(data.decode(), str(self._file)))
        except DtabSyntaxError as error:
            return Failed(BadDtabFile(error.display(str(self._file))))
        except UnicodeDecodeError as error:
            return Failed(BadDtabFile(f"{self._file}: {error}"))
