"""The text of an nginx configuration as directives with their lines. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DEPTH_MAX: Final = 50
_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
      | (?P<mark>[{};])
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | '(?P<single>(?:[^'\\]|\\.)*)'
      | (?P<word>(?:[^\s{};"'\\]|\\.|\$\{[^}]*\})(?:[^\s{};\\]|\\.|(?<=\$)\{[^}]*\})*)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\([\"'\\])")
# The condition of an `if`, of which each word is one token in nginx's own reading, too.
_CONDITION: Final = re.compile(
    r"if\s*\((?P<text>(?:[^()\"']|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\([^()]*\))*)\)\s*(?=\{)"
)


class NginxSyntaxError(Exception):
    """The text is no nginx configuration. The message begins with its line."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive. Shape: `block` None: it ends with a semicolon; an `if` has one argument."""

    name: str
    args: tuple[str, ...]
    line: int
    block: tuple[Directive, ...] | None = None


def read_nginx(text: str) -> tuple[Directive, ...]:
    """The directives of a file; `include` is left as it stands. Raises: NginxSyntaxError."""
    return _Reader(text).directives(0)


class _Reader:
    def __init__(self, text: str) -> None:
        self.at = 0
        self._text = text

    @property
    def line(self) -> int:
        return self._text.count("\n", 0, self.at) + 1

    def directives(self, depth: int) -> tuple[Directive, ...]:
        """Up to the end of the block, or of the text."""
        if depth > DEPTH_MAX:
            raise NginxSyntaxError(f"{self.line}: blocks within {DEPTH_MAX} others")
        found: list[Directive] = []
        while True:
            words, mark, line = self._words()
            if mark == "}" or not mark:
                if words or (depth and not mark):
                    raise NginxSyntaxError(f"{line}: no ; or }} behind {' '.join(words) or 'this'}")
                if mark and not depth:
                    raise NginxSyntaxError(f"{line}: a }} that closes nothing")
                return tuple(found)
            if not words:
                raise NginxSyntaxError(f"{line}: a {mark} without a directive")
            block = self.directives(depth + 1) if mark == "{" else None
            found.append(Directive(words[0], tuple(words[1:]), line, block))

    def _words(self) -> tuple[list[str], str, int]:
        """The words up to the next mark, that mark (empty: the text's end), and their line."""
        self._skip_blanks()
        line = self.line
        words: list[str] = []
        condition = _CONDITION.match(self._text, self.at)
        if condition is not None:
            self.at = condition.end()
            words = ["if", condition["text"].strip()]
        while True:
            self._skip_blanks()
            token = _TOKEN.match(self._text, self.at)
            if token is None:
                if self.at < len(self._text):
                    raise NginxSyntaxError(f"{self.line}: a quote that is not closed")
                return words, "", line
            self.at = token.end()
            if token["mark"] is not None:
                return words, token["mark"], line
            words.append(_word(token))

    def _skip_blanks(self) -> None:
        while (token := _TOKEN.match(self._text, self.at)) and token["blank"] is not None:
            self.at = token.end()


def _word(token: re.Match[str]) -> str:
    for kind in ("double", "single"):
        if token[kind] is not None:
            return _ESCAPED.sub(r"\1", token[kind])
    return token["word"]
