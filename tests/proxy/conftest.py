"""The engine runs on uvloop; what hangs on the loop's own TLS and sockets runs on asyncio's too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

HANGS_ON_THE_LOOP = {
    "test_acceptor.py",
    "test_bounds.py",
    "test_certificates.py",
    "test_tls.py",
    "test_tls_upstream.py",
    "test_tunnel.py",
}
BOTH = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config
    if item.path.name in HANGS_ON_THE_LOOP:
        return BOTH
    return {"asyncio": asyncio.new_event_loop}
