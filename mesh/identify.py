"""From a request to a service name, the first of the four steps of routing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dtab import Path
from wire.head import first_value

if TYPE_CHECKING:
    from wire.request import RequestHead


@dataclass(frozen=True, slots=True)
class HeaderToken:
    """`io.l5d.header.token`: the service is named by one header's value, verbatim.

    Port and case are kept.
    """

    header: str = "Host"

    def key(self, request: RequestHead) -> bytes | None:
        """The label that names the service, or None when the header is absent or empty."""
        if self.header == "Host":
            return request.host or None
        return first_value(request.block, self.header.encode("latin-1")) or None

    @property
    def reason(self) -> str:
        """Why a request cannot be identified, as Linkerd says it."""
        return f"{self.header} header is absent"


def service_name(prefix: Path, key: bytes) -> Path:
    """`/svc` and the label that identifies the request.

    Header bytes are Latin-1 and labels UTF-8, as in Linkerd; both are ASCII for every real host.
    """
    return prefix + Path((key.decode("latin-1").encode(),))
