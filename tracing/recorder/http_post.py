"""POST over one kept-alive connection, for batches of spans.

A general client costs 0.9 ms of CPU a POST here; this one 0.1, so that batches can be small enough
to stay in the CPU's caches.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import httptools

_ANSWER_BYTES_MAX: Final = 1 << 20
_TEXT_BYTES_MAX: Final = 500  # of an answer's body, for messages
_FIRST_FINAL: Final = 200
_CREDENTIALS: Final = re.compile(r"//[^/]*@")


class BadUrlError(Exception):
    """What was given is no http URL. The text says what about it."""


def shown(url: str) -> str:
    """A URL for logs and pages: without the user and the password in it."""
    return _CREDENTIALS.sub("//", url)


def is_host(name: str | None) -> bool:
    """Whether it may be a host's name or address: labels of 1 to 63 characters."""
    try:
        return bool(name and name.encode("idna"))
    except UnicodeError:
        return False


class Answer(NamedTuple):
    """A response. Shape: `text` is the beginning of its body."""

    status: int
    text: str
    retry_after: str


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None
        self._body = b""
        self._size = 0
        self._retry_after = ""
        self.open = False

    def post(self, parts: Sequence[bytes]) -> asyncio.Future[Answer]:
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.writelines(parts)
        return self._waiting

    def close(self) -> None:
        """At once: what was not answered is given up."""
        self._waiting = None
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    # ---- asked by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self.open = True

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self._size += len(data)
        if self._waiting is None or self._size > _ANSWER_BYTES_MAX:
            self._fail(ConnectionError("an answer nobody asked for, or without an end"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"no HTTP answer: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        self._fail(exc or ConnectionError("the connection was closed before an answer"))

    def _fail(self, error: Exception) -> None:
        self.open = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        if self._transport is not None:
            self._transport.abort()

    # ---- asked by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """The one header that says when to come again."""
        if name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Its beginning is kept, for messages."""
        self._body += body[: _TEXT_BYTES_MAX - len(self._body)]

    def on_message_complete(self) -> None:
        """The answer is whole, unless another follows it."""
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL:
            return
        answer = Answer(status, self._body.decode("utf-8", "replace"), self._retry_after)
        self._body, self._size, self._retry_after = b"", 0, ""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        if not self._parser.should_keep_alive():
            self.close()


class Poster:
    """Sends bodies to one URL, one after the other.

    Shape: url is whole, with its path; a user and password in it become basic credentials, and
    `url` is for messages, without them.
    Units: timeout_s bounds one POST, from connecting to the answer.
    Raises: BadUrlError.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, timeout_s: float = 5.0) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadUrlError(f"{shown(url)}: {error}") from error
        host, known = parts.hostname, parts.scheme in {"http", "https"}
        if host is None or not (known and is_host(host) and url.isprintable()):
            raise BadUrlError(f"{shown(url)} is no URL such as http://127.0.0.1:9411")
        self.url = shown(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = host
        self._port = port or (443 if self._tls else 80)
        self._timeout_s = timeout_s
        self._connection: _Connection | None = None
        lines = dict(headers)
        if parts.username:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            lines["authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named = f"[{self._host}]" if ":" in self._host else self._host
        self._head = (
            f"POST {target} HTTP/1.1\r\nhost: {named}{f':{port}' if port else ''}\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            + "content-length: "
        ).encode()

    async def post(self, parts: Sequence[bytes]) -> Answer:
        """One POST of a body in parts. Raises: OSError, TimeoutError.

        A kept connection may have been closed at the other end meanwhile: then once more, anew.
        """
        size = sum(map(len, parts))
        message = [b"%b%d\r\n\r\n" % (self._head, size), *parts]
        async with asyncio.timeout(self._timeout_s):
            kept = self._connection
            if kept is not None and kept.open:
                try:
                    return await self._ask(kept, message)
                except ConnectionError:
                    pass
            _, self._connection = await asyncio.get_running_loop().create_connection(
                _Connection, self._host, self._port, ssl=self._tls
            )
            return await self._ask(self._connection, message)

    @staticmethod
    async def _ask(connection: _Connection, message: Sequence[bytes]) -> Answer:
        try:
            return await connection.post(message)
        except asyncio.CancelledError:
            connection.close()  # an answer that nobody waits for would be taken for the next one's
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
