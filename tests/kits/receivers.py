"""Every way into the collector, each as one function: a message in, an outcome out."""

import asyncio
import contextlib
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import grpc
import httpx

from tests.kits.zipkin_bodies import proto3_list, scribe_log, thrift_list, thrift_span
from tracing.pipeline.collector import Collector
from tracing.pipeline.decode.protobuf import write_field
from tracing.pipeline.grpc.services import OTLP_PATH, ZIPKIN_PATH

TAKEN: Final = "taken"
REFUSED: Final = "refused"
TOO_LARGE: Final = "too large"
LATER: Final = "come again"

_BY_STATUS: Final = {
    200: TAKEN,
    202: TAKEN,
    400: REFUSED,
    415: REFUSED,
    413: TOO_LARGE,
    408: LATER,
    503: LATER,
}
_BY_CODE: Final = {
    grpc.StatusCode.INTERNAL: REFUSED,
    grpc.StatusCode.INVALID_ARGUMENT: REFUSED,
    grpc.StatusCode.UNIMPLEMENTED: REFUSED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TOO_LARGE,
    grpc.StatusCode.UNAVAILABLE: LATER,
}


class Receiver(NamedTuple):
    """One of them.

    Shape: message makes a message of spans in v2 JSON's words, send hands it over with a
    content-encoding; transport is its name in the ledger.
    """

    name: str
    transport: str
    message: Callable[[list[dict[str, Any]]], bytes]
    send: Callable[[Collector, bytes, str], Awaitable[str]]


def _http(path: str, content_type: str) -> Callable[[Collector, bytes, str], Awaitable[str]]:
    async def send(collector: Collector, message: bytes, coding: str) -> str:
        url = collector.otlp_url if path == "otlp" else collector.url + path
        headers = {"content-type": content_type} | ({"content-encoding": coding} if coding else {})
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            answer = await client.post(url or "", content=message, headers=headers)
        return _BY_STATUS[answer.status_code]

    return send


def _grpc(path: str) -> Callable[[Collector, bytes, str], Awaitable[str]]:
    async def send(collector: Collector, message: bytes, coding: str) -> str:
        url = collector.otlp_grpc_url if path == OTLP_PATH else collector.url
        # The client packs by itself: what is packed already goes out as a frame that says so.
        head = {"grpc-encoding": coding, "te": "trailers", "content-type": "application/grpc"}
        body = struct.pack(">?I", bool(coding), len(message)) + message
        async with httpx.AsyncClient(trust_env=False, http1=False, http2=True) as client:
            try:
                answer = await client.post(
                    (url or "") + path, content=body, headers=head, timeout=20
                )
            except httpx.LocalProtocolError:
                return LATER  # the call was ended before it was sent
        code = answer.headers.get("grpc-status", "0")
        known = {str(one.value[0]): one for one in grpc.StatusCode}
        return TAKEN if code == "0" else _BY_CODE[known[code]]

    return send


async def _scribe(collector: Collector, message: bytes, coding: str) -> str:
    del coding  # scribe has none
    reader, writer = await asyncio.open_connection("127.0.0.1", collector.scribe_port)
    try:
        writer.write(struct.pack(">i", len(message)) + message)
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        reply = await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return REFUSED
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    if reply[3] == 3:
        return REFUSED
    return LATER if reply.endswith(b"\x01\x00") else TAKEN


def _v1(span: dict[str, Any]) -> dict[str, Any]:
    place = span.get("localEndpoint", {})
    tags = span.get("tags", {})
    return {name: span[name] for name in ("traceId", "id", "name", "timestamp") if name in span} | {
        "binaryAnnotations": [{"key": k, "value": v, "endpoint": place} for k, v in tags.items()]
    }


def _v1_json(spans: list[dict[str, Any]]) -> bytes:
    return json.dumps([_v1(span) for span in spans]).encode()


def _otlp_json(spans: list[dict[str, Any]]) -> bytes:
    told = [
        {
            "traceId": span["traceId"].rjust(32, "0"),
            "spanId": span["id"].rjust(16, "0"),
            "name": span.get("name", ""),
            "startTimeUnixNano": str(span.get("timestamp", 0) * 1000),
            "attributes": [
                {"key": key, "value": {"stringValue": value}}
                for key, value in span.get("tags", {}).items()
            ],
        }
        for span in spans
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": told}]}]}).encode()


def _otlp_proto(spans: list[dict[str, Any]]) -> bytes:
    told = b"".join(
        write_field(
            2,
            write_field(1, bytes.fromhex(span["traceId"].rjust(32, "0")))
            + write_field(2, bytes.fromhex(span["id"].rjust(16, "0")))
            + write_field(5, span.get("name", "").encode())
            + b"\x39"
            + struct.pack("<Q", span.get("timestamp", 0) * 1000)
            + b"".join(
                write_field(
                    9,
                    write_field(1, key.encode()) + write_field(2, write_field(1, value.encode())),
                )
                for key, value in span.get("tags", {}).items()
            ),
        )
        for span in spans
    )
    return write_field(1, write_field(2, told))


def _thrift(spans: list[dict[str, Any]]) -> bytes:
    return thrift_list([_v1(span) for span in spans])


def _log(spans: list[dict[str, Any]]) -> bytes:
    return scribe_log([thrift_span(_v1(span)) for span in spans])


def _v2_json(spans: list[dict[str, Any]]) -> bytes:
    return json.dumps(spans).encode()


RECEIVERS: Final = [
    Receiver("v2 JSON", "http", _v2_json, _http("/api/v2/spans", "application/json")),
    Receiver("proto3", "http", proto3_list, _http("/api/v2/spans", "application/x-protobuf")),
    Receiver("v1 JSON", "http", _v1_json, _http("/api/v1/spans", "application/json")),
    Receiver("thrift", "http", _thrift, _http("/api/v1/spans", "application/x-thrift")),
    Receiver("gRPC", "grpc", proto3_list, _grpc(ZIPKIN_PATH)),
    Receiver("scribe", "scribe", _log, _scribe),
    Receiver("OTLP JSON", "otlp", _otlp_json, _http("otlp", "application/json")),
    Receiver("OTLP protobuf", "otlp", _otlp_proto, _http("otlp", "application/x-protobuf")),
    Receiver("OTLP gRPC", "otlp_grpc", _otlp_proto, _grpc(OTLP_PATH)),
]
PACKED: Final = [one for one in RECEIVERS if one.name != "scribe"]
