"""Where a request came from, when proxies that we trust stand before us. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from wire.head import values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.rules.trust import Network
    from edge.verdict.context import EdgeContext

_MEMO_MAX: Final = 4_096
_HOPS_MAX: Final = 20


class Peers:
    """Tells the client behind trusted proxies, and who stands in which network."""

    def __init__(self, proxies: Sequence[Network] = ()) -> None:
        self._proxies = tuple(proxies)
        self._memo: dict[tuple[str, tuple[Network, ...]], bool] = {}

    def place(self, context: EdgeContext, block: bytes) -> None:
        """Put the client and its scheme into the context in place of the peer's."""
        context.client, https = self.client(context.client, block)
        context.https = context.https or https

    def client(self, peer_ip: str, block: bytes) -> tuple[str, bool]:
        """The client's address, and whether it spoke https to the proxy.

        Source: the last X-Forwarded-For entry that no trusted proxy stands for; whoever is no
        trusted proxy is the client himself, whatever he says.
        """
        if not self._proxies or not self.within(peer_ip, self._proxies):
            return peer_ip, False
        https = values(block, b"x-forwarded-proto")[-1:] == [b"https"]
        client = peer_ip
        hops = b",".join(values(block, b"x-forwarded-for")).split(b",")
        for hop in reversed(hops[-_HOPS_MAX:]):
            address = _address(hop.strip(b" \t").decode("latin-1"))
            if address is None:
                break
            client = str(address)
            if not self.within(client, self._proxies):
                break
        return client, https

    def within(self, ip: str, networks: tuple[Network, ...]) -> bool:
        """Whether the address is in one of the networks."""
        key = (ip, networks)
        known = self._memo.get(key)
        if known is None:
            address = _address(ip)
            known = address is not None and any(address in network for network in networks)
            if len(self._memo) >= _MEMO_MAX:
                self._memo.clear()
            self._memo[key] = known
        return known


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A listener on `::` sees IPv4 clients in this form.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
