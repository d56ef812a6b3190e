"""Templates to answers: the frame that all pages share."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

import jinja2
from starlette.requests import Request
from starlette.responses import Response

from tracing.pipeline.http.pieces import page_response
from tracing.pipeline.http.query_args import ArgumentError
from tracing.pipeline.model import SpanError
from tracing.pipeline.store.port import StoreError
from tracing.ui.names import cut, hue, node_of, show_us
from tracing.ui.recent import NoTraceError

# Nothing on these pages comes from elsewhere, and nothing that spans say is ever run.
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
_NO_SUCH: Final = (
    "It was not sampled, has not arrived yet, waits for the tail's verdict, or is forgotten: "
)
_DEFAULT_PLACE: Final = "127.0.0.1:9411"  # where commands look by themselves
_PLAIN_PLACE: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")

LOOKBACKS: Final = (
    (300_000, "last 5 minutes"),
    (900_000, "last 15 minutes"),
    (3_600_000, "last hour"),
    (21_600_000, "last 6 hours"),
    (86_400_000, "last day"),
    (604_800_000, "last 7 days"),
)
DEFAULT_LOOKBACK_MS: Final = 3_600_000

Page = Callable[[Request], Awaitable[Response]]


class Step(NamedTuple):
    """What a reader may do next."""

    text: str
    href: str


SEARCH: Final = Step("Search traces", "/traces")


def clock(us: int) -> str:
    """A time of day in UTC, to the millisecond. Units: us is microseconds since 1970."""
    try:
        return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return "no time of ours"  # a sender's clock may say anything


def place_of(request: Request) -> str:
    """The collector as a command's --collector wants it; empty where it is the default.

    What a browser says our name is goes into a command only if it is a plain one.
    """
    place = request.url.netloc
    return "" if place == _DEFAULT_PLACE or not _PLAIN_PLACE.fullmatch(place) else f"http://{place}"


class Renderer:
    """Fills templates."""

    def __init__(self) -> None:
        self._jinja = jinja2.Environment(
            loader=jinja2.PackageLoader("tracing.ui"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.filters.update(clock=clock, cut=cut, us=show_us, hue=hue, node=node_of)

    def page(self, template: str, status: int = 200, /, **values: object) -> Response:
        """One answer."""
        html = self._jinja.get_template(template).render(values)
        return page_response(html, status, _HEADERS)

    async def large(self, template: str, **values: object) -> Response:
        """One answer that takes a while to fill: ingest goes on meanwhile."""
        return await asyncio.to_thread(partial(self.page, template, 200, **values))

    def message(self, status: int, title: str, text: str, *steps: Step) -> Response:
        """What went wrong, and what to do next."""
        return self.page("message.html", status, title=title, text=text, steps=(*steps, SEARCH))

    def guarded(self, page: Page) -> Page:
        """The page, with its refusals told in words."""

        async def call(request: Request) -> Response:
            try:
                return await page(request)
            except (ArgumentError, SpanError) as error:
                return self.message(400, "Not understood", str(error))
            except NoTraceError as error:
                again = Step("Look again", request.url.path)
                return self.message(404, "No such trace", _NO_SUCH + str(error), again)
            except StoreError as error:
                return self.message(
                    500, "The store failed", str(error), Step("See the ledger", "/ledger")
                )

        return call
