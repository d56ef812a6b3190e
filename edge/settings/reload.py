"""Reading the configuration again: what changed, and what is wrong with the new one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from config import ConfigError, load, read
from edge.settings.edge_config import EdgeConfig
from edge.settings.placed import placed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Bound where they are made once; a change is told, and waits for the next start.
_FIXED: Final = ("admin", "tracing.collector", "workers", "access_log", "client", "links")


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a reload.

    Shape: `changed` are dotted keys; `waits` those among them that need a restart; with problems,
    nothing has changed and the last good configuration goes on.
    """

    done: bool
    changed: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the admin's answer."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.done:
            return "not reloaded, the last good configuration goes on:\n" + "\n".join(self.problems)
        if not self.changed:
            return "reloaded, nothing has changed"
        text = "reloaded, changed: " + ", ".join(self.changed)
        return text + (f"; waits for a restart: {', '.join(self.waits)}" if self.waits else "")


@dataclass(slots=True)
class ConfigSource:
    """The file that the configuration came from."""

    file: Path
    env: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None  # as it was last read well
    _seen: object = None

    def read(self) -> EdgeConfig | Reloaded:
        """The configuration, or what is wrong with it."""
        self.changed()
        try:
            text = self.file.read_text("utf-8")
            config = load(EdgeConfig, text, source=str(self.file), env=self.env)
            document = read(text, source=str(self.file), env=self.env)
        except ConfigError as error:
            return Reloaded(done=False, problems=tuple(map(str, error.problems)))
        except (OSError, UnicodeDecodeError) as error:
            return Reloaded(done=False, problems=(f"{self.file}: cannot be read: {error}",))
        self.text = text
        return placed(config, document, str(self.file))

    def changed(self) -> bool:
        """Whether the file is another one than at the last look."""
        try:
            found = self.file.stat()
        except OSError:
            return False  # between two versions; the next look sees the new one
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        differs = self._seen is not None and stamp != self._seen
        self._seen = stamp
        return differs


def difference(before: EdgeConfig, after: EdgeConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Changed keys, and those of them that need a restart."""
    changed = [key for key in EdgeConfig.model_fields if _differs(before, after, key)]
    told = tuple(dict.fromkeys(name for key in changed for name in _finer(before, after, key)))
    waits = tuple(
        name
        for name in told
        if any(f"{name}.".startswith(f"{f}.") or f.startswith(f"{name}.") for f in _FIXED)
    )
    return told, waits


def in_force(before: EdgeConfig, after: EdgeConfig) -> EdgeConfig:
    """The new configuration, but what waits for a restart as it was."""
    kept: dict[str, Any] = {}
    for name in _FIXED:
        top, _, part = name.partition(".")
        old, new = getattr(before, top), getattr(after, top)
        if part and old is not None and new is not None:
            kept[top] = new.model_copy(update={part: getattr(old, part)})
        else:
            kept[top] = old
    return after.model_copy(update=kept)


def _differs(before: EdgeConfig, after: EdgeConfig, key: str) -> bool:
    return bool(getattr(before, key) != getattr(after, key))


def _finer(before: EdgeConfig, after: EdgeConfig, key: str) -> Iterator[str]:
    old, new = getattr(before, key), getattr(after, key)
    if key == "hosts":
        old_rules = {rule.host: rule for rule in before.host_rules}
        new_rules = {rule.host: rule for rule in after.host_rules}
        for host in old_rules | new_rules:
            if old_rules.get(host) != new_rules.get(host):
                yield f"hosts.{host}"
    elif key == "trust":
        old_trust = {rule.name: rule for rule in before.trust}
        new_trust = {rule.name: rule for rule in after.trust}
        names = [n for n in old_trust | new_trust if old_trust.get(n) != new_trust.get(n)]
        # The first that matches decides, so their order counts.
        yield from [f"trust.{name}" for name in names] or [key]
    elif type(old) is type(new) and hasattr(type(old), "model_fields"):
        for name in type(old).model_fields:
            if getattr(old, name) != getattr(new, name):
                yield f"{key}.{name}"
    else:
        yield key
