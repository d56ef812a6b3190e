"""`io.l5d.localhost` and `io.l5d.specificHost`: only endpoints on certain addresses."""

from collections.abc import Iterable
from typing import Final

from dtab import Path
from naming.endpoint import Endpoint
from naming.transformers.addresses import FilteringTransformer


class HostsTransformer(FilteringTransformer):
    """Keeps the endpoints whose address is one of those given."""

    kind = "SubnetLocalTransformer"

    def __init__(self, ips: Iterable[str], prefix: Path) -> None:
        super().__init__(prefix)
        self._ips: Final = frozenset(ips)

    def keeps(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint's address is one of them."""
        return endpoint.ip in self._ips


def localhost(own_ips: Iterable[str], prefix: Path | None = None) -> HostsTransformer:
    """Endpoints of this machine. Its IPv4 addresses are read once, at start, by the caller."""
    return HostsTransformer(own_ips, prefix or Path.of("%", "io.l5d.localhost"))


def specific_host(ip: str, prefix: Path | None = None) -> HostsTransformer:
    """Endpoints of one host, whose address the caller has resolved. It is not in the id."""
    return HostsTransformer((ip,), prefix or Path.of("%", "io.l5d.specificHost"))
