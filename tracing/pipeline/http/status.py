"""Health, info, metrics and the page's settings, in the real server's forms."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracing.pipeline.forward.forwarder import Forwarder
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


# Why a span never came to the store; what became of it there the store counts itself.
_BEFORE_THE_STORE: Final = ("invalid", "sampled_out", "busy")

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
        forwarders: Sequence[Forwarder] = (),
    ) -> None:
        self._forwarders = forwarders
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
            port, category = self._scribe_port, self._settings.scribe_category
            name = f"ScribeCollector{{port={port}, category={category}}}"
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
        """Where every received span is: received == stored + exported + queued + all dropped.

        Received includes what a process before left queued; each number is counted by itself.
        """
        every = self._ingest.counts.values()
        held = self._store.counts()
        flow = held.flow
        dropped = dict.fromkeys(_BEFORE_THE_STORE, 0)
        for counts in every:
            for reason in _BEFORE_THE_STORE:
                dropped[reason] += counts.dropped[reason]
        told: Ledger = {
            "since_start": {
                "received": sum(counts.spans for counts in every) + flow.read_back,
                "stored": flow.stored,
                "exported": flow.exported,
                "queued": flow.queued,
                "dropped": dropped | flow.dropped,
            },
        }
        if (waits := held.tail) is not None:
            told["tail"] = {
                "accepted": waits.accepted,
                "kept": waits.kept,
                "waiting": waits.waiting,
                "read_back": waits.read_back,
                "dropped": waits.dropped,
            }
        told["store"] = {
            "stored": held.stored,
            "evicted": held.evicted,
            "held": held.stored - held.evicted,
            "blocks": held.blocks,
            "bytes": held.size_bytes,
            "spoilt_blocks": held.spoilt,
        }
        if held.standing is not None:
            told["store"] |= held.standing._asdict()
        if self._forwarders:
            told["export"] = {
                one.name: {
                    "sent": one.sent,
                    "refused": one.refused,
                    "problem": one.problem,
                    "refusal": one.refusal,
                }
                for one in self._forwarders
            }
        return told

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
        for name in ("sent", "refused"):
            sums = ((f'{{exporter="{one.name}"}}', getattr(one, name)) for one in self._forwarders)
            family(f"weir_exporter_{name}_spans_total", "counter", sums)
        rewritten = iter([("", self._ingest.rewritten)])
        family("weir_collector_rewritten_spans_total", "counter", rewritten)
        for name, kind, value in (
            ("weir_store_spans_stored_total", "counter", held.stored),
            ("weir_store_spans_evicted_total", "counter", held.evicted),
            ("weir_store_spans_queued", "gauge", held.flow.queued),
            ("weir_spans_exported_total", "counter", held.flow.exported),
            ("weir_store_blocks", "gauge", held.blocks),
            ("weir_store_bytes", "gauge", held.size_bytes),
        ):
            family(name, kind, iter([("", value)]))
        return "\n".join(lines) + "\n"


def _type_for(request: Request) -> str:
    return _ACTUATOR if request.url.path.startswith("/actuator/") else _JSON
