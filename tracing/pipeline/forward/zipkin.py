"""Forwarding to a Zipkin server, or to another weir collector: POSTs of v2 JSON."""

from typing import Final

import httpx

from tracing.pipeline.forward.forwarder import RefusedError, UnreachableError

# What a server in trouble answers; every other refusal means the spans themselves.
_TRY_LATER: Final = frozenset({401, 403, 404, 408, 425, 429})
_SERVER_ERRORS: Final = 500
# The real server answers 500 with this text to a body over its bound.
_TOO_LARGE: Final = "413 "
_GOOD: Final = range(200, 300)


class ZipkinExporter:
    """One server.

    Shape: url is its base, such as http://zipkin:9411. Units: timeout_s bounds one POST.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/") + "/api/v2/spans"
        self._client = httpx.AsyncClient(timeout=timeout_s, trust_env=False)

    async def send(self, body: bytes) -> None:
        """One v2 JSON list. Raises: UnreachableError, RefusedError."""
        headers = {"content-type": "application/json"}
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise UnreachableError(f"{self._url}: {type(error).__name__}: {error}") from error
        if answer.status_code in _GOOD:
            return
        text = f"{self._url}: {answer.status_code} {answer.text[:200]}"
        too_large = answer.text.startswith(_TOO_LARGE)
        if answer.status_code in _TRY_LATER or (
            answer.status_code >= _SERVER_ERRORS and not too_large
        ):
            raise UnreachableError(text)
        raise RefusedError(text)

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._client.aclose()
