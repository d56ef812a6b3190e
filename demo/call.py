"""The call to the next app: through the process's proxy, on pooled connections."""

from __future__ import annotations

import ssl
from typing import Final

import httpx

from demo.errors import CallFailed

# The server itself gives up on a request after this time (the reference's write timeout).
TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 5.0
# An answer is a line of text; more than this is a wrong target.
ANSWER_BYTES_MAX: Final = 1_048_576
LIMITS: Final = httpx.Limits(max_connections=512, max_keepalive_connections=64, keepalive_expiry=9)


class Call:
    """GET http://TARGET through `proxy` in absolute form, or directly without one."""

    def __init__(self, target: str, proxy: str | None) -> None:
        self._url = f"http://{target}"
        # No certificates are loaded: that takes 24 ms of CPU and nothing here speaks TLS. A context
        # without any refuses every server, so a redirect to https fails instead of trusting.
        no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        transport = httpx.AsyncHTTPTransport(verify=no_tls, limits=LIMITS, proxy=proxy)
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            follow_redirects=True,
            trust_env=False,
            headers={"user-agent": "weir-demo", "accept-encoding": "identity"},
        )

    async def text(self, context: list[tuple[bytes, bytes]]) -> str:
        """Give the body of the answer. Raises: CallFailed, also for any status but 200."""
        try:
            async with self._client.stream("GET", self._url, headers=context) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise CallFailed(f"invalid response {answer.status_code}")
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > ANSWER_BYTES_MAX:
                        raise CallFailed(f"answer larger than {ANSWER_BYTES_MAX} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise CallFailed(f'Get "{self._url}": {reason}') from None
        return body.decode(errors="replace")

    async def aclose(self) -> None:
        """Close the pool."""
        await self._client.aclose()
