"""Tags made fit to be kept: secrets taken out, sizes bounded. Pure."""

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from typing import Final

from tracing.pipeline.model import V2Annotation, V2Span

REDACTED: Final = "[redacted]"
CUT_TAG: Final = "weir.dropped_tags"
_KEYS_REMEMBERED: Final = 4096
_KEY_CHARS_REMEMBERED: Final = 256
_NOTHING: Final = "(?!)"
_ELLIPSIS: Final = "…"
# What says that a span failed outlives every bound, else a bound would hide failures.
_ALWAYS: Final = "error"


class TagRules:
    """What happens to the texts of every span before it is stored.

    Shape: redact_keys are patterns of whole keys where `*` stands for any text, case ignored:
    their values go. redact_values are regular expressions: what they find in tags, annotations
    and span names goes. Units: chars_max bounds each value and annotation in characters, tags_max
    the tags of a span, of which the first stay; None means no bound. Raises: re.error.
    """

    def __init__(
        self,
        redact_keys: Iterable[str] = (),
        redact_values: Iterable[str] = (),
        chars_max: int | None = None,
        tags_max: int | None = None,
    ) -> None:
        keys = "|".join(map(translate, redact_keys))
        self._found = re.compile(keys or _NOTHING, re.IGNORECASE).match
        self._found_short = lru_cache(_KEYS_REMEMBERED)(self._found)
        # Apart, because each may have groups and flags of its own.
        self._secrets = [re.compile(pattern) for pattern in redact_values]
        self._chars_max = chars_max
        self._tags_max = tags_max
        self.idle = not keys and not self._secrets and chars_max is None and tags_max is None

    def apply(self, span: V2Span) -> bool:
        """Change the span in place; whether there was anything to change."""
        changed = False
        if span.tags:
            tags = self._tags(span.tags)
            changed = tags != span.tags
            span.tags = tags
        if span.annotations:
            notes = [V2Annotation(n.timestamp, self._text(n.value)) for n in span.annotations]
            changed |= notes != span.annotations
            span.annotations = notes
        if span.name and self._secrets:
            name = self._redacted(span.name)
            changed |= name != span.name
            span.name = name
        return changed

    def _tags(self, tags: dict[str, str]) -> dict[str, str]:
        most = self._tags_max
        dropped = 0
        if most is not None and len(tags) > most:
            kept = dict(list(tags.items())[:most])
            if _ALWAYS in tags:
                kept[_ALWAYS] = tags[_ALWAYS]
            dropped = len(tags) - len(kept)
            tags = kept
        tags = {
            key: REDACTED if self._is_secret(key) else self._text(value)
            for key, value in tags.items()
        }
        if dropped:
            tags[CUT_TAG] = str(dropped)
        return tags

    def _is_secret(self, key: str) -> bool:
        find = self._found_short if len(key) <= _KEY_CHARS_REMEMBERED else self._found
        return find(key) is not None

    def _text(self, text: str) -> str:
        # First what is secret, then the bound: half a secret would not be found.
        text = self._redacted(text)
        if self._chars_max is not None and len(text) > self._chars_max:
            text = text[: self._chars_max - 1] + _ELLIPSIS
        return text

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = secret.sub(REDACTED, text)
        return text
