from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kits.running import Running, running


# Of a module: the nodes' addresses are fixed, so there is one system at a time.
@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("system")) as up:
        yield up
