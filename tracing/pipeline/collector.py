"""The collector put together: store, receivers, query API and pages on their ports."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import uvicorn

from tracing.pipeline.http.app import CollectorApp
from tracing.pipeline.http.query import QueryApi
from tracing.pipeline.http.status import Status
from tracing.pipeline.ingest import Ingest
from tracing.pipeline.scribe import ScribeServer
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore
from tracing.pipeline.store.port import SpanStore, StoreError
from tracing.pipeline.store.sqlite import SqliteStore
from tracing.ui.lens import front_routes
from tracing.ui.pages import Pages

_KEEP_ALIVE_S: Final = 75  # longer than the 60 s after which senders' pools drop idle connections
_CLOSING_S: Final = 3
_CONNECTIONS_MAX: Final = 1_000
_POLL_S: Final = 0.005


class CollectorError(Exception):
    """The collector cannot start; the text is one line for an operator."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: whoever runs the loop owns those."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


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
        raise CollectorError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library takes it so
    return listener


def open_store(state_dir: Path | None, settings: Settings) -> SpanStore:
    """The store that the settings ask for; without a state_dir spans stay in memory.

    Raises: CollectorError.
    """
    strict, keys = settings.strict_trace_id, settings.autocomplete_keys
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
            query_s_max=settings.query_timeout_s,
        )
    except (OSError, StoreError) as error:
        raise CollectorError(f"cannot use {state_dir}: {error}") from error


class Collector:
    """One running collector.

    `http` and `scribe` are listening sockets (see bind), which it closes in the end, as it does
    the store. `lens` holds the files of Zipkin's own page, where it is wanted.
    """

    def __init__(
        self,
        store: SpanStore,
        settings: Settings,
        http: socket.socket,
        scribe: socket.socket | None = None,
        lens: Mapping[str, bytes] | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._http = http
        self._scribe_socket = scribe
        self.ingest = Ingest(store, settings.sample_rate)
        self._scribe = ScribeServer(self.ingest)
        status = Status(store, self.ingest, settings, self.scribe_port)
        routes = status.routes()
        if settings.query_enabled:
            routes += QueryApi(store, settings).routes()
        if settings.ui_enabled:
            routes += status.ui_routes() + Pages(store, settings).routes() + front_routes(lens)
        self.app = CollectorApp(self.ingest, settings, routes)
        self._server = _Server(
            uvicorn.Config(
                self.app,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_level="warning",
                server_header=False,
                backlog=2048,
                limit_concurrency=_CONNECTIONS_MAX,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_CLOSING_S,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._http.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def scribe_port(self) -> int | None:
        """Scribe's port; None without one."""
        return None if self._scribe_socket is None else int(self._scribe_socket.getsockname()[1])

    async def start(self) -> None:
        """Answer from now on."""
        if self._scribe_socket is not None:
            await self._scribe.start(self._scribe_socket)
        serving = asyncio.get_running_loop().create_task(
            self._server.serve(sockets=[self._http]), name="collector-http"
        )
        self._serving = serving
        while not self._server.started:
            if serving.done():
                await serving
                raise CollectorError("the HTTP server ended before it began")
            await asyncio.sleep(_POLL_S)

    async def aclose(self) -> None:
        """Answer what is under way, store it, and stop."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        self._http.close()
        await self._scribe.aclose()
        await self._store.aclose()
