"""`${NAME}` and `${NAME:-default}` in values, from a given environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# POSIX.1-2017, 8.1: names that a shell can set. `$` alone is left: `/$/inet/127.1/80` is a path.
REFERENCE: Final = re.compile(
    r"\$\$\{"  # a literal ${
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}"
    r"|(?P<broken>\$\{)"
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A reference that cannot be expanded. Units: `offset` counts characters into the value."""

    offset: int
    width: int
    message: str
    hint: str


def expand(text: str, env: Mapping[str, str]) -> tuple[str, list[Flaw]]:
    """Replace references once; what they bring in is not expanded again.

    `:-` also stands in for a variable that is set but empty, as in a shell. `$${` gives `${`.
    """
    flaws: list[Flaw] = []

    def replaced(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        start, width = found.start(), len(found[0])
        if found["broken"]:
            hint = "write ${NAME} or ${NAME:-default}; $${ stands for a plain ${"
            flaws.append(Flaw(start, width, "this is no reference to a variable", hint))
            return ""
        name, default = found["name"], found["default"]
        value = env.get(name)
        if default is not None and not value:
            return str(default[2:])
        if value is None:
            hint = f"set it, or give a default: ${{{name}:-…}}"
            flaws.append(Flaw(start, width, f"the variable {name} is not set", hint))
            return ""
        return value

    return REFERENCE.sub(replaced, text), flaws
