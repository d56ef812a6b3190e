"""The collector put together: store, receivers, query API and pages on their ports."""

import asyncio
import socket
import sqlite3
from collections.abc import Collection, Mapping
from errno import EADDRINUSE
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracing.pipeline.accounts import Accounts
from tracing.pipeline.forward.forwarding import Forwarding
from tracing.pipeline.grpc.services import OTLP, OTLP_PATH, ZIPKIN_PATH, otlp_app
from tracing.pipeline.http.app import CollectorApp
from tracing.pipeline.http.collect import PATHS
from tracing.pipeline.http.otlp import PATH, TRANSPORT, OtlpApp
from tracing.pipeline.http.query import QueryApi
from tracing.pipeline.http.server import HttpServer
from tracing.pipeline.http.status import Status
from tracing.pipeline.http.timing import RequestTimes, Timed
from tracing.pipeline.ingest import Ingest
from tracing.pipeline.scribe import ScribeServer
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore
from tracing.pipeline.store.port import SpanStore, StoreError
from tracing.pipeline.store.sqlite import SqliteStore
from tracing.ui.lens import front_routes
from tracing.ui.pages import Pages

if TYPE_CHECKING:
    from starlette.types import ASGIApp

# How long a thread that computes may keep the others waiting (seconds; Python's own is 0.005): an
# append needs three turns, and two searches may take one each before every one of them.
SWITCH_S: Final = 0.001


class CollectorError(Exception):
    """The collector cannot start; the text is one line for an operator."""


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises: CollectorError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is: without it an answer
    # in two writes waits 40 ms for the sender's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        mend = "; choose another port, or 0 for a free one" if error.errno == EADDRINUSE else ""
        text = f"cannot listen on {host}:{port}: {error.strerror}{mend}"
        raise CollectorError(text) from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library takes it so
    return listener


def bind_all(host: str, settings: Settings) -> dict[str, socket.socket]:
    """The ports that the settings ask for, by Collector's names; all or none.

    Raises: CollectorError.
    """
    asked = {
        "http": settings.http_port,
        "scribe": settings.scribe_port if settings.scribe_enabled else None,
        "otlp": settings.otlp_port,
        "otlp_grpc": settings.otlp_grpc_port,
    }
    ports: dict[str, socket.socket] = {}
    try:
        for name, port in asked.items():
            if port is not None:
                ports[name] = bind(host, port)
    except CollectorError:
        for listener in ports.values():
            listener.close()
        raise
    return ports


def open_store(state_dir: Path | None, settings: Settings) -> SpanStore:
    """The store that the settings ask for; without a state_dir spans stay in memory.

    Raises: CollectorError.
    """
    strict, keys = settings.strict_trace_id, settings.autocomplete_keys
    tail = settings.config.tail
    exporters = [one.name for one in settings.config.export]
    if exporters and (settings.in_memory or state_dir is None):
        raise CollectorError("export needs spans on disk, so that what was not sent yet survives")
    if tail is not None and (settings.in_memory or state_dir is None):
        raise CollectorError("a tail needs spans on disk, so that what waits survives")
    if settings.in_memory or state_dir is None:
        return MemoryStore(strict=strict, keys=keys, spans_max=settings.spans_max)
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        return SqliteStore(
            state_dir / "spans.sqlite3",
            strict=strict,
            keys=keys,
            keep_ms=settings.keep_ms,
            keep_bytes=settings.keep_bytes,
            queue_bytes_max=settings.config.limits.queue_bytes_max,
            query_s_max=settings.query_timeout_s,
            tail=None if tail is None else tail.window(),
            exporters=exporters,
        )
    except (OSError, StoreError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise CollectorError(f"cannot use {state_dir}: {reason}") from error


class Collector:
    """One running collector.

    `http`, `scribe`, `otlp` and `otlp_grpc` are listening sockets (see bind), which it closes in
    the end, as it does the store. `lens` holds the files of Zipkin's own page, where it is wanted.
    """

    def __init__(
        self,
        store: SpanStore,
        settings: Settings,
        http: socket.socket,
        scribe: socket.socket | None = None,
        lens: Mapping[str, bytes] | None = None,
        *,
        otlp: socket.socket | None = None,
        otlp_grpc: socket.socket | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._scribe_socket = scribe
        asked = ((TRANSPORT, otlp), (OTLP, otlp_grpc))
        more = [name for name, listener in asked if listener is not None]
        config = settings.config
        intake = config.limits.intake()
        self.ingest = Ingest(store, settings.sample_rate, intake, more, config.tags.rules())
        self._forwarding = Forwarding(store, config.export)
        bounds = config.limits.bounds()
        self._scribe = ScribeServer(self.ingest, bounds, settings.scribe_category)
        pages = Pages(store, settings) if settings.ui_enabled else None
        page = None if pages is None else pages.ledger
        times = RequestTimes()
        self.crowds = {"scribe": self._scribe.crowd}
        accounts = Accounts(store, self.ingest, self._forwarding.forwarders, times, self.crowds)
        status = Status(store, accounts, settings, self.scribe_port, page)
        routes = status.routes()
        if settings.query_enabled:
            routes += QueryApi(store, settings).routes()
        if pages is not None:
            routes += status.ui_routes() + pages.routes() + front_routes(lens)
        app = CollectorApp(self.ingest, settings, routes)
        served: dict[str, tuple[ASGIApp, Collection[str], socket.socket | None]] = {
            "http": (app, {*PATHS, ZIPKIN_PATH}, http),
            TRANSPORT: (OtlpApp(self.ingest), {PATH}, otlp),
            OTLP: (otlp_app(self.ingest), {OTLP_PATH}, otlp_grpc),
        }
        self._servers = {
            name: HttpServer(Timed(one, times, paths), listener, bounds)
            for name, (one, paths, listener) in served.items()
            if listener is not None
        }
        self.crowds |= {name: server.crowd for name, server in self._servers.items()}

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._servers["http"].url

    def places(self) -> dict[str, object]:
        """Where everything is, for a ready file."""
        return {
            "collector": self.url,
            "spans": f"{self.url}/api/v2/spans",
            "scribe_port": self.scribe_port,
            "otlp": self.otlp_url,
            "otlp_grpc": self.otlp_grpc_url,
        }

    @property
    def otlp_url(self) -> str | None:
        """Where OTLP is POSTed; None without it."""
        server = self._servers.get(TRANSPORT)
        return None if server is None else server.url + PATH

    @property
    def otlp_grpc_url(self) -> str | None:
        """Where OTLP/gRPC is spoken; None without it."""
        server = self._servers.get(OTLP)
        return None if server is None else server.url

    @property
    def scribe_port(self) -> int | None:
        """Scribe's port; None without one."""
        return None if self._scribe_socket is None else int(self._scribe_socket.getsockname()[1])

    async def start(self) -> None:
        """Answer from now on."""
        self._forwarding.start()
        if self._scribe_socket is not None:
            await self._scribe.start(self._scribe_socket)
        for server in reversed(self._servers.values()):
            await server.start()

    async def aclose(self) -> None:
        """Answer what is under way, store it, and stop."""
        await asyncio.gather(*(server.aclose() for server in self._servers.values()))
        await self._scribe.aclose()
        self.ingest.close()
        await self._forwarding.aclose()
        await self._store.aclose()
