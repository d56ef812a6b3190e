"""What is wrong with a dtab that a request brings itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dtab import Dtab, DtabSyntaxError, read_dtab
from edge.rules.capability import ENTRIES_MAX
from edge.verdict.context import Answer
from mesh.context import SEPARATOR

if TYPE_CHECKING:
    from edge.rules.trust import Rule

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
# Far beyond what a person writes; reading this much takes 1 ms.
BYTES_MAX: Final = 8_192
_REMEMBERED_MAX: Final = 1_000


class OwnDtabs:
    """Judges dtabs; remembers the judgement, for the next request says the same."""

    def __init__(self) -> None:
        self._judged: dict[tuple[Rule, bytes], Answer | None] = {}

    def refusal(self, rule: Rule, local: bytes) -> Answer | None:
        """The answer to a request whose own dtab is outside its bounds, or no dtab at all.

        Whether the names that it leads to may be reached is told when they are bound.
        """
        # Counted before anything is read: what is too large shall not cost.
        if len(local) > BYTES_MAX or local.count(b"=>") > ENTRIES_MAX:
            told = f"an override may have {ENTRIES_MAX} entries, and {BYTES_MAX} bytes"
            return Answer(BAD_REQUEST, "override", told)
        key = (rule, local)
        if key not in self._judged:
            if len(self._judged) >= _REMEMBERED_MAX:
                self._judged.clear()
            self._judged[key] = _judged(rule, local)
        return self._judged[key]


def _judged(rule: Rule, local: bytes) -> Answer | None:
    table = Dtab()
    try:
        for text in local.split(SEPARATOR):
            table += read_dtab(text.decode("latin-1"))
    except DtabSyntaxError as error:
        return Answer(BAD_REQUEST, "override", str(error))
    for bound in rule.bounds:
        why = bound.refuses(table)
        if why is not None:
            return Answer(FORBIDDEN, "override", why)
    return None
