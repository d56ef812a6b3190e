from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kits.running import Running, running

if TYPE_CHECKING:
    from collections.abc import Iterator


# Of a module: the nodes' addresses are fixed, so there is one system at a time.
@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("system")) as up:
        yield up
