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
from naming.namers.whole_file import BeingWritten, read_whole
from naming.state import Failed, Ok
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

    def _table_now(self) -> Dtab:
        data, _ = read_whole(os.fsencode(self._file), SIZE_MAX)
        if len(data) > SIZE_MAX:
            raise BadDtabFile(f"{self._file}: larger than {SIZE_MAX} bytes")
        return read_dtab(data.decode(), str(self._file))

    def _on_change(self, _: Labels) -> None:
        # Before reading, so that what comes after the look is told. Without a directory, or with a
        # loop of links (RuntimeError), the reading says what is wrong.
        with suppress(OSError, RuntimeError):
            parent = self._file.resolve().parent
            self._lookout.add((), os.fsencode(parent), parent.stat().st_ino)
        self._read()

    def _read(self) -> None:
        try:
            table = self._table_now()
        except BeingWritten:
            self._lookout.again(())
        except DtabSyntaxError as error:
            self._source.set(Failed(BadDtabFile(error.display(str(self._file)))))
        except (OSError, UnicodeDecodeError) as error:
            self._source.set(Failed(BadDtabFile(f"{self._file}: {error}")))
        except BadDtabFile as error:
            self._source.set(Failed(error))
        else:
            self._source.set(Ok(table))
