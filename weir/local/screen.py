"""What `weir up` shows: a live table while things start, then addresses and curl lines to try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from weir.local.topology import ADMIN_PORT, NODES, OUTGOING_PORT

if TYPE_CHECKING:
    from weir.local.supervisor import Child
    from weir.local.system import LocalSystem


class Screen:
    """A table on a terminal; plain lines where there is none."""

    def __init__(self, system: LocalSystem) -> None:
        self._system = system
        self.console = Console(stderr=True)
        self._live: Live | None = None
        self._told: set[str] = set()

    def begin(self) -> None:
        """Show the table while processes start."""
        if self.console.is_terminal:
            self._live = Live(self._table(), console=self.console, refresh_per_second=20)
            self._live.start()
        self._system.supervisor.on_change = self.update

    def update(self) -> None:
        """Something changed."""
        if self._live is not None:
            self._live.update(self._table())
            return
        for child in self._system.children:
            if child.ended is not None and child.name not in self._told:
                self._told.add(child.name)
                log = self._system.supervisor.log_file(child)
                self.console.print(
                    f"{child.name} ended with exit code {child.ended}; "
                    f"it is not restarted (log: {log})",
                    style="yellow",
                    highlight=False,
                    soft_wrap=True,
                )

    def ready(self, seconds: float) -> None:
        """Everything answers."""
        self._end_live()
        system = self._system
        say = self.console.print
        for note in system.notes:
            say(f"note: {note}", style="yellow", highlight=False)
        say(
            f"\n[bold]weir is up[/] after {seconds:.1f} s; state in {system.options.state_dir}",
            highlight=False,
        )
        for what, url in (
            ("gateway", system.edge_url),
            ("traces", f"{system.collector_url}/"),
            *(
                (
                    node.name,
                    f"http://{node.ip}:{ADMIN_PORT}/delegator?namespace=outgoing&path=/svc/world",
                )
                for node in NODES
            ),
        ):
            say(f"  {what:<9}{url}", highlight=False)
        say("\n[bold]try[/]")
        for line, comment in try_lines(system.edge_url):
            say(f"  [dim]# {comment}[/]\n  {line}", highlight=False, soft_wrap=True)
        say("\nCtrl-C stops everything.", highlight=False)

    def close(self) -> None:
        """Give the terminal back."""
        self._end_live()

    def _end_live(self) -> None:
        if self._live is not None:
            self._live.update(self._table())
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2), show_header=False)
        for child in self._system.children:
            table.add_row(_state(child), child.name, child.role, child.address)
        return table


def _state(child: Child) -> Text:
    if child.ended is not None:
        return Text(f"ended ({child.ended})", style="red")
    return Text("ready", style="green") if child.ready else Text("starting", style="yellow")


def try_lines(edge_url: str) -> list[tuple[str, str]]:
    """Commands that show what this is, each with what to expect."""
    www = f"curl -H 'Host: www.hello.world' {edge_url}"
    node = f"{NODES[0].ip}:{OUTGOING_PORT}"
    return [
        (www, "a request crosses: Hello (…) world (…)!!"),
        (f"curl -H 'Host: api.hello.world' {edge_url}", "three services deep"),
        (
            f"{www} -H 'l5d-dtab: /host/world => /srv/world-v2'",
            "an outsider cannot steer: still world",
        ),
        (f"{www} --cookie special_employee_cookie=dogfood", "dogfood: this request gets earth"),
        (f"http_proxy={node} curl http://hello", "inside the mesh, by name"),
        (
            f"http_proxy={node} curl -H 'l5d-dtab: /host/world => /srv/world-v2' http://hello",
            "overrides work inside",
        ),
    ]
