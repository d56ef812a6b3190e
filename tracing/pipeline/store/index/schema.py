"""The SQLite file: its tables and how it is opened.

Spans lie in blocks, the v2 JSON of one or more accepted messages, byte for byte where it came in
good form; the index knows traces, not spans. A row and two indexes for each span would cost more
than all the rest of the collector.
"""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Final

from tracing.pipeline.store.port import StoreError

VERSION: Final = 6

# The index of traces is written at random places: small pages, or each entry rewrites a large one.
_PAGE_BYTES: Final = 4_096
# Fold the log into the file every 32 MB: each time costs two waits for the disk.
_CHECKPOINT_PAGES: Final = 8_000

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS block_facts (
    id INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    min_ms INTEGER NOT NULL,
    max_ms INTEGER NOT NULL,
    duration_max INTEGER NOT NULL,
    services TEXT NOT NULL,
    stored_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS block_words (id INTEGER PRIMARY KEY, words BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS block_by_time ON block_facts (max_ms, min_ms);
CREATE TABLE IF NOT EXISTS trace_block (
    low INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (low, block)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trace_news (id INTEGER PRIMARY KEY, entries BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS service (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS seen (
    kind TEXT NOT NULL, owner TEXT NOT NULL, value TEXT NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (kind, owner, value)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (entry TEXT PRIMARY KEY, spans INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS follower (name TEXT PRIMARY KEY, cursor INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS link_sum (
    first INTEGER NOT NULL, last INTEGER NOT NULL, slots TEXT NOT NULL,
    parent TEXT NOT NULL, child TEXT NOT NULL,
    calls INTEGER NOT NULL, errors INTEGER NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (first, last, slots, parent, child)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_large (low INTEGER PRIMARY KEY, day INTEGER NOT NULL);
"""


def lock(path: Path) -> int:
    """Claim the file for this process; the descriptor of the claim, which ends with the process.

    Two writers would give out the same block numbers. Raises: StoreError.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"{path} is in use by another collector") from error
    return descriptor


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes. Raises: StoreError when the file is not ours to use.

    Durability: a commit survives the death of the process, kill -9 included, because it is in
    the operating system's hands (WAL, synchronous NORMAL). What a power loss takes of the index,
    the commits since the last checkpoint, is made again from the log.
    """
    try:
        # Spans tell much of their users. The files beside this one get its permissions.
        path.touch(0o600)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA cache_size=-65536")  # 64 MiB: the hot part of trace_block
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise StoreError(
                f"{path} is a store of version {version}, this is version {VERSION};"
                " choose another directory, or start with the weir that wrote it"
            )
        connection.executescript(_TABLES)
        connection.execute(f"PRAGMA user_version={VERSION}")
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {error}") from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that reads beside the writer and never stops it."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only=1")
    connection.execute("PRAGMA cache_size=-16384")
    connection.execute("PRAGMA mmap_size=1073741824")
    return connection
