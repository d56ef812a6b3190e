"""The port for host names: who turns a host and a port into addresses."""

from typing import Protocol

from naming.endpoint import Addr
from naming.watch import Watch


class Resolver(Protocol):
    """Resolves hosts. The shell's one asks the system; tests have a table."""

    def watch(self, host: str, port: int, *, fixed: bool = False) -> Watch[Addr]:
        """The addresses of a host, all with this port.

        Shape: pending until resolved; neg for a host that does not exist; failed for any other
        reason. With `fixed` the first good answer stays; otherwise it is asked for again.
        """
        ...
