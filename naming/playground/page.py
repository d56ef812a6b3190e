"""What the page shows, as values: pure, the template only lays it out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dtab import Dtab, DtabSyntaxError, Path, read_dtab, read_path
from naming.delegation import BoundEnd
from naming.explain import Explained, Outcome, addr_text, explain, shown_name
from naming.namer import Namer
from naming.state import Failed, Pending

# A page with more rows helps nobody; the JSON has them all.
ROWS_MAX = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree; depth counts from 1, as aria-level does."""

    depth: int
    name: str
    dentry: str
    place: str
    bound: str
    share: str
    lost: str
    kind: str


@dataclass(frozen=True, slots=True)
class Question:
    """What was typed."""

    namespace: str = ""
    path: str = ""
    base: str = ""
    local: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The page: what was typed, what is wrong with it, and the answer."""

    question: Question
    namespaces: Sequence[str] = ()
    problems: Sequence[str] = ()
    rows: Sequence[Row] = field(default=())
    more: int = 0


def answer(question: Question, namespaces: Sequence[str], namers: Sequence[Namer]) -> Page:
    """The page for a question; without a path it is the empty form."""
    if not question.path:
        return Page(question, namespaces)
    problems: list[str] = []
    path = Path()
    table = Dtab()
    try:
        path = read_path(question.path)
    except DtabSyntaxError as error:
        problems.append(error.display("path"))
    for text, name in ((question.base, "dtab"), (question.local, "local dtab")):
        try:
            table += read_dtab(text, name)
        except DtabSyntaxError as error:
            problems.append(error.display(name))
    if problems:
        return Page(question, namespaces, problems)
    state = explain(path, table, namers)
    if isinstance(state, Pending):
        return Page(question, namespaces, ["still waiting for a namer; ask again"])
    if isinstance(state, Failed):
        return Page(question, namespaces, [str(state.error)])
    nodes = list(_nodes(state.value))
    rows = [_row(node, depth) for node, depth in nodes[:ROWS_MAX]]
    return Page(question, namespaces, (), rows, max(0, len(nodes) - ROWS_MAX))


def _nodes(explained: Explained) -> Iterator[tuple[Explained, int]]:
    """The tree's nodes from top to bottom, with their depth from 1."""
    stack = [(explained, 1)]
    while stack:
        top, depth = stack.pop()
        yield top, depth
        stack.extend([(part, depth + 1) for part in reversed(top.parts)])


def _row(explained: Explained, depth: int) -> Row:
    node = explained.node
    dentry = node.dentry
    bound = ""
    if isinstance(node, BoundEnd):
        bound = f"{node.bound}: {addr_text(node.bound.addr.state)}"
    goes = explained.outcome is Outcome.BOUND and not explained.lost
    return Row(
        depth,
        shown_name(explained),
        "" if dentry is None else f"{dentry.prefix} => {dentry.dst}",
        "" if dentry is None or dentry.place is None else str(dentry.place),
        bound,
        f"{explained.share:.1%}" if goes else "",
        explained.lost,
        "goes" if goes else "lost",
    )
