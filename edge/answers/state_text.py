"""What a binding is, in words. Pure."""

from __future__ import annotations

from typing import Any, assert_never

from mesh.routing.plan import RouteRefused
from naming.state import Failed, Ok, Pending, State


def state_text(state: State[Any]) -> str:
    """What a name is bound to, or why it is not."""
    match state:
        case Ok(tree):
            return str(tree)
        case Pending():
            return "not known yet"
        case Failed(RouteRefused() as refused):
            return f"refused with {refused.status}: {refused}"
        case Failed(error):
            return f"failed: {error}"
    assert_never(state)
