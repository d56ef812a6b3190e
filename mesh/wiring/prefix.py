"""Prefixes that choose a client's settings: `/#/io.l5d.fs/{service}`. Pure.

Source: Linkerd 1.7.5: label by label; `*` is any label; `{name}` captures within a label.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtab import Path

_CAPTURE: Final = re.compile(r"\{([^{}]*)\}")


class Prefix:
    """A pattern for the first labels of a bound name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._labels = [_label(one) for one in text.strip("/").split("/") if one]

    def match(self, name: Path) -> dict[str, str] | None:
        """What the captures stand for; None when the name does not begin so."""
        labels = [str(label) for label in str(name).strip("/").split("/")]
        if len(labels) < len(self._labels):
            return None
        captured: dict[str, str] = {}
        for (pattern, names), label in zip(self._labels, labels, strict=False):
            found = pattern.search(label)  # Linkerd searches, it does not anchor
            if found is None:
                return None
            captured.update(zip(names, found.groups(), strict=True))
        return captured


def _label(text: str) -> tuple[re.Pattern[str], list[str]]:
    if text == "*":
        return re.compile(""), []
    names = _CAPTURE.findall(text)
    if not names:
        return re.compile(rf"\A{re.escape(text)}\Z"), []
    literals = [re.escape(part) for part in _CAPTURE.split(text)[::2]]
    return re.compile("(.*)".join(literals)), names


def fill(template: str, captured: Mapping[str, str]) -> str:
    """The template with what was captured; a name that was not stays as it stands."""
    return _CAPTURE.sub(lambda found: captured.get(found[1], found[0]), template)
