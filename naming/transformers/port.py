"""`io.l5d.port`: the same hosts, another port."""

from dataclasses import replace
from typing import Final

from dtab import Path
from naming.endpoint import Addr, ReplicaSet
from naming.transformers.addresses import SetTransformer, without_repeats


class PortTransformer(SetTransformer):
    """Replaces every port and keeps the metadata; equal results merge."""

    def __init__(self, port: int, prefix: Path | None = None) -> None:
        super().__init__((prefix or Path.of("%", "io.l5d.port")) + Path.of(str(port)))
        self._port: Final = port

    def replicas(self, replicas: ReplicaSet) -> Addr:
        """The set with the port replaced."""
        moved = [replace(endpoint, port=self._port) for endpoint in replicas.endpoints]
        return ReplicaSet(without_repeats(moved), replicas.meta)
