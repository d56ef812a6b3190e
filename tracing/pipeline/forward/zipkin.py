"""Forwarding to a Zipkin server, or to another weir collector: POSTs of v2 JSON."""

from typing import Final

from tracing.pipeline.forward.forwarder import RefusedError, UnreachableError
from tracing.recorder.http_post import Poster
from tracing.recorder.zipkin_http import PATH

# What a server in trouble answers; every other refusal means the spans themselves.
_TRY_LATER: Final = frozenset({401, 403, 404, 408, 425, 429})
_SERVER_ERRORS: Final = 500
# The real server answers 500 with this text to a body over its bound.
_TOO_LARGE: Final = "413 "
_GOOD: Final = range(200, 300)


class ZipkinExporter:
    """One server.

    Shape: url is its base, such as http://zipkin:9411. Units: timeout_s bounds one POST.
    Raises: BadUrlError.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        headers = {"content-type": "application/json"}
        self._poster = Poster(url.rstrip("/") + PATH, headers, timeout_s=timeout_s)

    async def send(self, body: bytes) -> None:
        """One v2 JSON list. Raises: UnreachableError, RefusedError."""
        place = self._poster.url
        try:
            answer = await self._poster.post([body])
        except OSError as error:  # TimeoutError is one
            raise UnreachableError(f"{place}: {type(error).__name__}: {error}") from error
        if answer.status in _GOOD:
            return
        text = f"{place}: {answer.status} {answer.text[:200]}"
        too_large = answer.text.startswith(_TOO_LARGE)
        if answer.status in _TRY_LATER or (answer.status >= _SERVER_ERRORS and not too_large):
            raise UnreachableError(text)
        raise RefusedError(text)

    async def aclose(self) -> None:
        """Let the connection go."""
        self._poster.close()
