"""The names that spans carry, in the writer's thread: numbers of services, and lists for pages."""

import sqlite3
from typing import Final

from tracing.pipeline.batch import BlockIndex

_SEEN_MAX: Final = 200_000  # distinct names remembered; past it new ones are not offered in lists
_SERVICES_MAX: Final = 100_000  # past it a block says "others", and every search looks into it
_CHARS_MAX: Final = 1_000  # a name that is longer is treated as one past these bounds
OTHERS: Final = 0  # stands for all services that have no number
_UNNAMED: Final = ""


class Names:
    """Known names, in memory as in the database. Units: days are days since 1970."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._forgot_day = 0
        self.read()

    def read(self) -> None:
        """Know what the database knows, such as after a transaction that failed."""
        db = self._db
        self._services = {name: number for number, name in db.execute("SELECT * FROM service")}
        self._has_others = OTHERS in self._services.values()
        self._next_service = 1 + max(self._services.values(), default=0)
        # By (kind, owner, value) as sent, the day on which the table was last told.
        self._seen = {
            (kind, owner, value): day
            for kind, owner, value, day in db.execute("SELECT * FROM seen")
        }

    def write(self, index: BlockIndex, day: int) -> str:
        """Inside the caller's transaction: note a block's names; its services, as numbers."""
        for service, name in index.names:
            if service:
                listed = name if name and len(name) <= _CHARS_MAX else _UNNAMED
                self._see("name", service, listed, day)
        for service, remote in index.remotes:
            if service and remote:
                self._see("remote", service, remote, day)
        for key, value in index.tags:
            self._see("tag", key, value, day)
        services = sorted({self._service(name) for name, _ in index.names if name})
        return f",{','.join(map(str, services))},"

    def forget(self, before_day: int) -> None:
        """Drop names that no span carried since that day."""
        if before_day == self._forgot_day:
            return
        self._forgot_day = before_day
        self._db.execute("DELETE FROM seen WHERE day < ?", (before_day,))
        self._seen = {key: day for key, day in self._seen.items() if day >= before_day}

    def _service(self, name: str) -> int:
        number = self._services.get(name)
        if number is None:
            kept = name.lower()
            number = self._services.get(kept)
            if len(self._services) >= _SERVICES_MAX or len(name) > _CHARS_MAX:
                return self._others() if number is None else number
            if number is None:
                number = self._next_service
                self._next_service += 1
                self._db.execute("INSERT INTO service VALUES (?, ?)", (number, kept))
                self._services[kept] = number
            self._services[name] = number
        return number

    def _others(self) -> int:
        if not self._has_others:
            self._db.execute("INSERT OR IGNORE INTO service VALUES (?, ?)", (OTHERS, _UNNAMED))
            self._has_others = True
        return OTHERS

    def _see(self, kind: str, owner: str, value: str, day: int) -> None:
        if self._seen.get((kind, owner, value)) == day:
            return
        if max(len(owner), len(value)) > _CHARS_MAX:
            return
        if len(self._seen) >= _SEEN_MAX and (kind, owner, value) not in self._seen:
            return
        self._seen[kind, owner, value] = day
        if kind != "tag":
            owner, value = owner.lower(), value.lower()
        self._db.execute(
            "INSERT INTO seen VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (kind, owner, value) DO UPDATE SET day = ?4",
            (kind, owner, value, day),
        )
