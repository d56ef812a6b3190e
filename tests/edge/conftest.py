"""One start of each front door for all that is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.edge.doors import Stage, staged
from tests.kits.edge_process import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package", params=["engine", *sorted(SERVERS)])
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Each front door."""
    with staged(tmp_path_factory.mktemp("doors"), request.param) as running:
        yield running
