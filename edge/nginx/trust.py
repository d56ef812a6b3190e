"""Whom an nginx configuration believes: its conditions on cookies, as rules of trust. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from edge.nginx.text import Directive

_CONDITION: Final = re.compile(
    r"\$cookie_(?P<name>\w+)\s+(?P<op>=|!=|~\*?|!~\*?)\s+"
    r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<word>\S+))"
)


def rule_of(condition: Directive, override: str) -> dict[str, Any] | None:
    """The rule that does what the condition does; None, where that is not plain.

    Shape: `override` is what l5d-dtab is set to behind it, a variable.
    """
    found = _CONDITION.fullmatch(" ".join(condition.args))
    if found is None:
        return None
    text = found["double"] or found["single"] or found["word"] or ""
    cookie: dict[str, Any] = {"name": found["name"]}
    block = condition.block or ()
    if found["op"] in ("=", "!="):
        cookie["equals"] = text
    elif found["op"] in ("~", "~*") and re.escape(text) == text:
        cookie["contains"] = text
    else:
        return None
    if found["op"] == "!=":
        cleared = [name for one in block for name in one.args]
        if {one.name for one in block} != {"more_clear_input_headers"} or "l5d-dtab" not in cleared:
            return None
        return {"cookie": cookie, "may_override": True, "may_sample": True}
    said = {one.args[0]: one.args[1] for one in block if one.name == "set" and len(one.args) > 1}
    if len(said) != len(block) or set(said) != {override}:
        return None
    return {"cookie": cookie, "override": said[override].rstrip("; ")}
