"""Health, info, metrics and the page's settings, in the real server's forms."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracing.pipeline.ingest import Ingest
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.port import SpanStore, StoreError

_JSON: Final = "application/json; charset=utf-8"
_ACTUATOR: Final = "application/vnd.spring-boot.actuator.v2+json; charset=utf-8"
_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"

# The release whose behaviour this follows, and ours.
_INFO: Final = {"zipkin": {"version": "3.6.1", "commit": "weir"}}


def _response(body: str | bytes, content_type: str, status: int = 200) -> Response:
    return Response(body, status, headers={"content-type": content_type})


# Entries by section; "dropped" is a table of its own: reason or policy, spans.
Ledger = dict[str, dict[str, Any]]


class Status:
    """What the collector says about itself."""

    def __init__(
        self,
        store: SpanStore,
        ingest: Ingest,
        settings: Settings,
        scribe_port: int | None,
        page: Callable[[Ledger], Response] | None = None,
    ) -> None:
        self._page = page
        self._store = store
        self._ingest = ingest
        self._settings = settings
        self._scribe_port = scribe_port

    def routes(self) -> list[Route]:
        """Each under its own path and as the actuator's twin."""

        async def health(request: Request) -> Response:
            return await self._health(_type_for(request))

        async def info(request: Request) -> Response:
            return _response(json.dumps(_INFO, separators=(",", ":")), _type_for(request))

        async def metrics(_request: Request) -> Response:
            return _response(json.dumps(dict(self._flat())), "application/json")

        async def prometheus(_request: Request) -> Response:
            return _response(self._exposition(), _PROMETHEUS)

        async def ledger(request: Request) -> Response:
            page = self._page
            if page is not None and "text/html" in request.headers.get("accept", ""):
                answer = page(self.ledger())
            else:
                answer = _response(json.dumps(self.ledger(), indent=2), _JSON)
            answer.headers["vary"] = "accept"
            return answer

        async def ledger_json(_request: Request) -> Response:
            return _response(json.dumps(self.ledger(), indent=2), _JSON)

        return [
            Route("/health", health),
            Route("/actuator/health", health),
            Route("/info", info),
            Route("/actuator/info", info),
            Route("/metrics", metrics),
            Route("/prometheus", prometheus),
            Route("/actuator/prometheus", prometheus),
            Route("/ledger", ledger),
            Route("/ledger.json", ledger_json),
        ]

    def ui_routes(self) -> list[Route]:
        """The settings that Zipkin's page asks for first."""
        config = {
            "environment": "",
            "queryLimit": 10,
            "defaultLookback": 900_000,
            "searchEnabled": self._settings.search_enabled,
            "logsUrl": None,
            "supportUrl": None,
            "archivePostUrl": None,
            "archiveUrl": None,
            "dependency": {"enabled": True, "lowErrorRate": 0.5, "highErrorRate": 0.75},
        }
        body = json.dumps(config, indent=2)

        async def page_config(_request: Request) -> Response:
            headers = {"content-type": _JSON, "cache-control": "max-age=600"}
            return Response(body, headers=headers)

        return [Route("/zipkin/config.json", page_config)]

    async def _health(self, content_type: str) -> Response:
        parts: dict[str, object] = {}
        status = "UP"
        try:
            await self._store.check()
            parts[self._store.name] = {"status": "UP"}
        except StoreError as error:
            status = "DOWN"
            parts[self._store.name] = {"status": "DOWN", "details": {"error": str(error)}}
        if self._scribe_port is not None:
            name = f"ScribeCollector{{port={self._scribe_port}, category=zipkin}}"
            parts[name] = {"status": "UP"}
        body = {"status": status, "zipkin": {"status": status, "details": parts}}
        return _response(json.dumps(body, indent=2), content_type, 200 if status == "UP" else 503)

    def _flat(self) -> Iterator[tuple[str, float]]:
        for transport, counts in self._ingest.counts.items():
            counter = "counter.zipkin_collector"
            yield f"{counter}.messages.{transport}", float(counts.messages)
            yield f"{counter}.messages_dropped.{transport}", float(counts.messages_dropped)
            yield f"{counter}.bytes.{transport}", float(counts.bytes)
            yield f"{counter}.spans.{transport}", float(counts.spans)
            yield f"{counter}.spans_dropped.{transport}", float(counts.spans_dropped)
            gauge = "gauge.zipkin_collector"
            yield f"{gauge}.message_spans.{transport}", float(counts.last_spans)
            yield f"{gauge}.message_bytes.{transport}", float(counts.last_bytes)

    def ledger(self) -> Ledger:
        """Where every received span is: received == stored + queued + the sum of dropped.

        With a tail, received includes what a process before left waiting; what waits is queued.
        That is found by subtraction, because the writer's thread counts a commit a moment before
        its sender is told; `waiting` of the tail is counted apart, and is to equal it at rest.
        """
        every = self._ingest.counts.values()
        dropped: dict[str, int] = {}
        for counts in every:
            for reason, spans in counts.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + spans
        held = self._store.counts()
        received = sum(counts.spans for counts in every)
        queued = sum(counts.queued for counts in every)
        stored = sum(counts.stored for counts in every)
        tail: Ledger = {}
        if (waits := held.tail) is not None:
            received += waits.read_back
            unsettled = stored + waits.read_back
            stored = waits.kept_now
            queued += unsettled - stored - sum(waits.dropped_now.values())
            dropped |= {f"tail.{policy}": spans for policy, spans in waits.dropped_now.items()}
            tail["tail"] = {
                "accepted": waits.accepted,
                "kept": waits.accepted - waits.waiting - sum(waits.dropped.values()),
                "waiting": waits.waiting,
                "read_back": waits.read_back,
                "dropped": waits.dropped,
            }
        return {
            "since_start": {
                "received": received,
                "stored": stored,
                "exported": 0,
                "queued": queued,
                "dropped": dropped,
            },
            **tail,
            "store": {
                "stored": held.stored,
                "evicted": held.evicted,
                "held": held.stored - held.evicted,
                "blocks": held.blocks,
                "bytes": held.size_bytes,
            },
        }

    def _exposition(self) -> str:
        lines: list[str] = []

        def family(name: str, kind: str, samples: Iterator[tuple[str, float]]) -> None:
            lines.append(f"# TYPE {name} {kind}")
            lines.extend(f"{name}{labels} {value}" for labels, value in samples)

        counts = self._ingest.counts
        for field in ("messages", "messages_dropped", "bytes", "spans", "spans_dropped"):
            family(
                f"zipkin_collector_{field}_total",
                "counter",
                ((f'{{transport="{t}"}}', getattr(counts[t], field)) for t in counts),
            )
        for field, source in (("message_spans", "last_spans"), ("message_bytes", "last_bytes")):
            family(
                f"zipkin_collector_{field}",
                "gauge",
                ((f'{{transport="{t}"}}', getattr(counts[t], source)) for t in counts),
            )
        family(
            "weir_collector_dropped_spans_total",
            "counter",
            (
                (f'{{transport="{t}",reason="{reason}"}}', spans)
                for t in counts
                for reason, spans in counts[t].dropped.items()
            ),
        )
        held = self._store.counts()
        if (tail := held.tail) is not None:
            policies = ((f'{{policy="{name}"}}', n) for name, n in tail.dropped.items())
            family("weir_tail_dropped_spans_total", "counter", policies)
            family("weir_tail_waiting_spans", "gauge", iter([("", tail.waiting)]))
        rewritten = iter([("", self._ingest.rewritten)])
        family("weir_collector_rewritten_spans_total", "counter", rewritten)
        for name, kind, value in (
            ("weir_store_spans_stored_total", "counter", held.stored),
            ("weir_store_spans_evicted_total", "counter", held.evicted),
            ("weir_store_spans_queued", "gauge", held.queued),
            ("weir_store_blocks", "gauge", held.blocks),
            ("weir_store_bytes", "gauge", held.size_bytes),
        ):
            family(name, kind, iter([("", value)]))
        return "\n".join(lines) + "\n"


def _type_for(request: Request) -> str:
    return _ACTUATOR if request.url.path.startswith("/actuator/") else _JSON
