"""Grant keys and the list of withdrawn grants, as files that may change under us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.grants.desk import Revoked
from edge.grants.grant import KEY_ID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge.grants.desk import GrantDesk

KEYS_MAX: Final = 100
_BYTES_MAX: Final = 8_000_000  # about 200,000 withdrawn grants
_PEM_BYTES_MAX: Final = 16_384


class GrantFileError(Exception):
    """A file cannot be used. The text names it."""


def read_keys(place: Path) -> dict[str, Ed25519PublicKey]:
    """Public keys by kid, which is the name of their file.

    Raises: GrantFileError.
    """
    try:
        files = sorted(place.glob("*.pem")) if place.is_dir() else [place]
        texts = {file: _read(file, _PEM_BYTES_MAX) for file in files[: KEYS_MAX + 1]}
    except OSError as error:
        raise GrantFileError(f"{place}: {error.strerror or error}") from None
    if len(files) > KEYS_MAX:
        raise GrantFileError(f"{place}: more than {KEYS_MAX} keys")
    keys = {}
    for file, text in texts.items():
        kid = file.name.removesuffix(".pem").removesuffix(".pub")
        if not KEY_ID.fullmatch(kid):
            raise GrantFileError(f"{file}: a key's file is named KID.pem")
        try:
            key = load_pem_public_key(text)
        except (ValueError, UnsupportedAlgorithm):
            raise GrantFileError(f"{file}: no public key in PEM") from None
        if not isinstance(key, Ed25519PublicKey):
            raise GrantFileError(f"{file}: only Ed25519 keys sign grants")
        keys[kid] = key
    return keys


def read_revoked(file: Path | None) -> Revoked:
    """What is withdrawn; nothing, where there is no file yet. Raises: GrantFileError."""
    if file is None:
        return Revoked()
    try:
        text = _read(file, _BYTES_MAX).decode()
    except FileNotFoundError:
        return Revoked()
    except (OSError, UnicodeDecodeError) as error:
        raise GrantFileError(f"{file}: {error}") from None
    found: dict[str, set[str]] = {"id": set(), "name": set(), "key": set()}
    for line in text.splitlines():
        word = line.partition("#")[0].strip()
        if not word:
            continue
        kind, colon, value = word.partition(":")
        if colon and kind in ("name", "key"):
            found[kind].add(value)
        else:
            found["id"].add(word)
    return Revoked(frozenset(found["id"]), frozenset(found["name"]), frozenset(found["key"]))


def _read(file: Path, bytes_max: int) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise GrantFileError(f"{file}: larger than {bytes_max} bytes")
    return content


class GrantFiles:
    """Keeps a desk at what the files say. What cannot be read leaves the last good state."""

    def __init__(self, desk: GrantDesk, keys: Path, revoked: Path | None) -> None:
        self.problems: list[str] = []
        self._desk = desk
        self._keys = keys
        self._revoked = revoked
        self._seen: tuple[object, object] = (None, None)
        self._told: list[str] = []

    def load(self) -> None:
        """Read what has changed since the last time."""
        stamps = (_stamp(self._keys), _stamp(self._revoked))
        self.problems = []
        if stamps[0] != self._seen[0]:
            self._try(lambda: self._desk.set_keys(read_keys(self._keys)))
        if stamps[1] != self._seen[1]:
            self._try(lambda: self._desk.set_revoked(read_revoked(self._revoked)))
        # A file that cannot be read now is asked again.
        self._seen = stamps if not self.problems else (None, None)

    def news(self) -> list[str]:
        """What is wrong and has not been told since it last was right."""
        fresh = [problem for problem in self.problems if problem not in self._told]
        self._told = self.problems
        return fresh

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except GrantFileError as error:
            self.problems.append(str(error))


def _stamp(place: Path | None) -> object:
    """What differs once a file, or a file of a directory, has changed."""
    if place is None:
        return ()
    try:
        files = [place, *place.glob("*.pem")] if place.is_dir() else [place]
        return tuple(
            (file.name, found.st_mtime_ns, found.st_size, found.st_ino)
            for file in sorted(files)[: KEYS_MAX + 2]
            for found in [file.stat()]
        )
    except OSError as error:
        return (type(error).__name__,)
