"""What can go wrong on the way from a name to addresses. Messages are those that Linkerd shows."""

from typing import Final

from dtab import Path


class NamingError(Exception):
    """A name cannot be bound or resolved. Two are equal when kind and message are.

    A namer that answers with one has failed, and the search goes by the rules for failed
    answers; a namer that raises one breaks the whole tree that its name stood in.
    """

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash((type(self), str(self)))


class MaxDepth(NamingError):
    """Too many lookups in a row: a loop, or a chain that is too long."""

    def __init__(self, depth_max: int) -> None:
        super().__init__(f"Max recursion level: {depth_max} reached in Namer lookup")
        self.depth_max: Final = depth_max


class StepsExceeded(NamingError):
    """The table makes too many names for one binding; the original would exhaust its memory."""

    def __init__(self, steps_max: int) -> None:
        super().__init__(f"Max binding steps: {steps_max} reached in Namer lookup")
        self.steps_max: Final = steps_max


class SizeExceeded(NamingError):
    """The bound tree would be larger than anything that carries traffic."""

    def __init__(self, nodes_max: int) -> None:
        super().__init__(f"Max bound tree size: {nodes_max} reached in Namer lookup")
        self.nodes_max: Final = nodes_max


class UnknownNamer(NamingError):
    """A path below `/$/` that no system namer answers."""

    def __init__(self, kind: str, path: Path) -> None:
        super().__init__(f"Unknown namer: {kind} for path: {path}")
        self.kind: Final = kind
        self.path: Final = path


class InvalidName(NamingError):
    """A rewriting namer built something that is no path."""


class MalformedAddress(NamingError):
    """An address that cannot be read, in a file or in a name."""

    def __init__(self, text: str) -> None:
        super().__init__(f"malformed address: {text}")
        self.text: Final = text


class ResolveFailed(NamingError):
    """A host could not be resolved for another reason than that it does not exist."""
