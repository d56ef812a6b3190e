"""The texts of the errors a router makes itself, as Linkerd 1.7.5 words them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dtab import Dtab, Path, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracing.context import TraceContext


def unable_to_route(service: Path, base: Dtab, local: Dtab) -> str:
    """No binding, or nobody there. The first `dtab:` section is empty in Linkerd, always."""
    return (
        f"Unable to route request!\n\nservice name: {service}\ndtab:\n\n"
        f"base dtab:\n{_entries(base)}\noverride dtab:\n{_entries(local)}\n"
    )


def _entries(table: Dtab) -> str:
    return "\n".join(f"  {entry.prefix} => {show(entry.dst)}" for entry in table)


def unable_to_connect(service: Path, client: Path, addresses: Sequence[str], selected: str) -> str:
    """The endpoint refused, was unreachable or too slow to connect."""
    return (
        f"Unable to establish connection to {selected}.\n\n"
        f"service name: {service}\nclient name: {client}\n"
        f"addresses: [{', '.join(addresses)}]\nselected address: {selected}\n"
    )


def remote_failure(cause: str, address: str, client: Path, trace: TraceContext) -> str:
    """The endpoint's connection failed under a request, with what Finagle calls remote info."""
    label = str(client).removeprefix("/")
    ip = address.rpartition(":")[0]
    return (
        f"{cause} at remote address: {ip}/{address} from service: {label}. "
        f"{_remote_info(address, label, trace)}"
    )


def unknown_destination(method: str, target: str, ip: str, port: int, reason: str) -> str:
    """The request names no service."""
    return f'Unknown destination: Request("{method} {target}", from /{ip}:{port}) / {reason}'


def binding_timeout(service: Path, timeout_s: float) -> str:
    """The name is still pending after the router's patience."""
    return f"Exceeded {_duration(timeout_s)} binding timeout while resolving name: {service}"


NACKED: Final = "The request was Nacked by the server"
NACKED_FOR_GOOD: Final = "The request was Nacked by the server and should not be retried"


def attempt_timeout(timeout_s: float, client: Path, address: str, trace: TraceContext) -> str:
    """A client's requestAttemptTimeoutMs is over."""
    label = str(client).removeprefix("/")
    cause = (
        f"exceeded {_duration(timeout_s)} to {label} while waiting for a response for an "
        "individual request, excluding retries"
    )
    return f"{cause}. {_remote_info(address, label, trace)}"


def server_timeout(timeout_s: float, server: str) -> str:
    """A server's timeoutMs is over."""
    return (
        f"exceeded {_duration(timeout_s)} to {server} while waiting for a response for an "
        "individual request, excluding retries. Remote Info: Not Available"
    )


def _remote_info(address: str, label: str, trace: TraceContext) -> str:
    parent = f"<:{trace.parent_id.hex()}" if trace.parent_id else ""
    return (
        "Remote Info: Upstream Address: Not Available, Upstream id: Not Available, "
        f"Downstream Address: /{address}, Downstream label: {label}, "
        f"Trace Id: {trace.trace_id[-8:].hex()}.{trace.span_id.hex()}{parent}"
    )


def total_timeout(timeout_s: float) -> str:
    """A service's totalTimeoutMs is over."""
    return (
        f"exceeded {_duration(timeout_s)} to unspecified while waiting for a response "
        "for the request, including retries (if applicable). Remote Info: Not Available"
    )


def _duration(seconds: float) -> str:
    """Finagle's way: `500.milliseconds`, `10.seconds`, `1.seconds+500.milliseconds`."""
    whole, part = divmod(round(seconds * 1000), 1000)
    parts = [f"{whole}.seconds"] if whole else []
    if part or not whole:
        parts.append(f"{part}.milliseconds")
    return "+".join(parts)
