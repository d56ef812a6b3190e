"""What both servers are sent and asked: odd values for every member, odd bytes, every parameter."""

import json
import random
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from tests.kits.zipkin_bodies import proto3_list, thrift_list

START_US: Final = 1_700_000_000_000_000
TANGLED_US: Final = START_US - 50_000_000_000
END_MS: Final = START_US // 1000 + 900_000
KEYS: Final = "env,http.method,empty"

JSON: Final = "application/json"
PROTO3: Final = "application/x-protobuf"
THRIFT: Final = "application/x-thrift"


class Sent(NamedTuple):
    """One POST, and the trace whose reading shows what came of it."""

    name: str
    path: str
    content_type: str
    body: bytes
    trace: str


_TEXTS: Final[list[Any]] = [
    *(None, "", " ", "x", "ABC", "éÀ", "İ", 5, 0, -1, 1.5, True, [], {}, ["a"], {"a": 1}),
    *("a" * 300, "\ud800", "\u2028", "0" * 16, "0" * 32, "1" * 33, "-1", " 1", "0x1", "٣", "1_0"),
]
_NUMBERS: Final[list[Any]] = [
    *(None, "", 0, -1, "5", "x", 1.5, 5.0, "5.0", 1.763e15, True, [], {}, (1 << 63) - 1, 1 << 63),
    *(-(1 << 63), 1 << 70, " 5", "+5", "05", "0x5", 1e30, "1e3", "NaN", -0.0, "1_0"),
]
_PLACES: Final[list[Any]] = [
    *(None, {}, [], "x", 5, {"serviceName": "A"}, {"serviceName": ""}, {"serviceName": 5}),
    *({"serviceName": []}, {"other": {"a": [1]}}, {"ipv4": "1.2.3.4", "ipv6": "5.6.7.8"}),
    *({"port": port} for port in (0, -1, 65_535, 65_536, "80", "x", 1.5, 80.0, None, True)),
    *(
        {member: address}
        for member in ("ipv4", "ipv6")
        for address in (
            *("1.2.3.4", "1.2.3", "256.1.1.1", "01.02.03.004", "0001.2.3.4", "1.2.3.4 ", "", 5),
            *("2001:DB8::0:1", "::ffff:1.2.3.4", "::FFFF:1.2.3.4", "::0:1.2.3.4", "::1.2.3.4"),
            *("::ffff:0a00:00c8", "fe80::1%eth0", "[::1]", "::", "::1", "1::", "1::2::3", ":::"),
            *("1:0:0:0:1:0:0:0", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "12345::", "g::1"),
            *("1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6::8", "0:0:1::", ":", "1:2"),
        )
    ),
]
_VALUES: Final[list[Any]] = [None, "", 5, True, {}]
_NOTES: Final[list[Any]] = [
    *(None, [], {}, "x", [None], [{}], [5], [[]], [{"timestamp": 1}], [{"value": "a"}]),
    *([{"timestamp": at, "value": "a"}] for at in (None, 0, -1, "5", 1.5, 1)),
    *([{"timestamp": 1, "value": value}] for value in _VALUES),
    [{"timestamp": 1, "value": "a", "more": {"deep": [1, {"er": 2}]}}],
    [{"timestamp": t, "value": v} for t, v in ((2, "b"), (1, "z"), (1, "a"), (1, "a"))],
    [{"timestamp": 1, "value": "\uff5e"}, {"timestamp": 1, "value": "\U0001f600"}],
]
_TAGS: Final[list[Any]] = [
    *(None, {}, [], "x", {"a": None}, {"a": ""}, {"": "a"}, {"a": 5}, {"a": 1.50}, {"a": True}),
    *({"a": {}}, {"b": "1", "a": "2"}, {"\U0001f600": "1", "\uff5e": "2"}, {" a ": "b "}),
]
_FLAGS: Final[list[Any]] = [None, True, False, "true", "", 0, 1, [], {}]
MEMBERS: Final[dict[str, list[Any]]] = {
    "traceId": _TEXTS,
    "parentId": _TEXTS,
    "id": _TEXTS,
    "kind": [None, "", "CLIENT", "client", "OTHER", 5, True, [], " CLIENT"],
    "name": _TEXTS,
    "timestamp": _NUMBERS,
    "duration": _NUMBERS,
    "localEndpoint": _PLACES,
    "annotations": _NOTES,
    "tags": _TAGS,
    "debug": _FLAGS,
    "shared": _FLAGS,
    "other": [None, 5, {"a": [1, {"b": 2}]}],
}
_BYTES: Final = [
    *(b"", b"[]", b" []", b"\n[]", b"[ ]", b"[]x", b"{}", b"[", b"[{", b"[{}]", b"null", b"[null]"),
    *(b'"x"', b"5", b"[5]", b"[[]]", b"\xef\xbb\xbf[]", b"\x00", b"\n", b"\n\0", b"\x0c", b"x"),
    *(b"\x0c\0\0\0\0", b"\x0b\0\0\0\0", b"\x0c\0\0\0\1", b"\n\x7f", b"[,]", b"[NaN]"),
    *(b'[{"traceId":"e1","id":"1"}', b'[{"traceId":"e2","id":"1"},]', b'[{traceId:"1",id:"1"}]'),
    *(b"[{'traceId':'1','id':'1'}]", b'[{"traceId":"1" "id":"1"}]', b'[//x\n{"traceId":"1"}]'),
    *(b'[{"traceId":"e3","id":"1"}]]', b'[{"traceId":"e4","id":"1","tags":{"a":"\x01\n"}}]'),
    *(b'\n[{"traceId":"e5","id":"1"}]', b'[{"traceId":"e6","id":"1","tags":{"a":"b\xff"}}]'),
    *(b'[{"traceId":"e7","id":"1","timestamp":%s}]' % n for n in (b"01", b"+1", b"1.", b"NaN")),
    *(b'[{"traceId":"e8","id":"1","tags":{"a":"%s"}}]' % t for t in (b"\\x", b"\\u12", b"\\ud8")),
    b'[{"traceId":"e9","id":"1","id":"2","id":"3"}]',
    b'[{"traceId":"ea","id":"1","binaryAnnotations":[]}]',
]


def odd_members() -> Iterator[Sent]:
    """A v2 JSON span with one odd member."""
    number = 0xA000
    for member, values in MEMBERS.items():
        for value in values:
            number += 1
            trace = f"{number:016x}"
            span = {"traceId": trace, "id": "2", "name": "n", "tags": {"k": "v"}, member: value}
            name = f"{member} {value!r}"[:60]
            yield Sent(name, "/api/v2/spans", JSON, json.dumps([span]).encode(), trace)


def odd_bytes() -> Iterator[Sent]:
    """Odd bytes in every format."""
    for body in _BYTES:
        for path, content_type in (
            ("/api/v2/spans", JSON),
            ("/api/v2/spans", PROTO3),
            ("/api/v1/spans", JSON),
            ("/api/v1/spans", THRIFT),
        ):
            trace = body.partition(b'"traceId":"')[2][:2].decode("ascii", "replace") or "fff"
            yield Sent(f"{path} {content_type} {body!r}", path, content_type, body, trace)


# ── spans drawn by dice ──────────────────────────────────────────────────────────────────────

_V1_PLACES: Final[list[Any]] = [
    *(None, {}, {"serviceName": "Front"}, {"serviceName": "back"}, {"ipv4": "10.0.0.3"}),
    *({"serviceName": "", "ipv4": "10.0.0.4"}, {"serviceName": "db", "ipv6": "2001:db8::1"}),
    *({"serviceName": "front", "ipv4": "10.0.0.1", "port": 80}, {"port": 5}),
    {"serviceName": "back", "ipv4": "10.0.0.2", "port": 81},
]
_CORE: Final = ["cs", "cr", "sr", "ss", "ms", "mr", "ws", "wr"]
_POOLS: Final = [["cs", "cr"], ["sr", "ss"], _CORE[:4], ["ms", "ws"], ["mr", "wr"], _CORE, []]


def v1_span(dice: random.Random) -> dict[str, Any]:
    """A v1 span without its trace's id, core annotations and addresses in any mixture."""

    def at(of: dict[str, Any]) -> dict[str, Any]:
        place = dice.choice(_V1_PLACES)
        return of if place is None else {**of, "endpoint": place}

    span: dict[str, Any] = {"id": f"{dice.randint(1, 3)}", "name": dice.choice(["get", "", "Ün"])}
    span |= {"parentId": f"{dice.randint(0, 3)}"} if dice.random() < 0.5 else {}
    for member, times in (("timestamp", [1000, 1100]), ("duration", [100, 500, 0])):
        span |= {member: dice.choice(times)} if dice.random() < 0.4 else {}
    values = [value for value in dice.choice(_POOLS) if dice.random() < 0.8]
    values += dice.choices(["error", "", "more"], k=dice.randint(0, 2))
    span["annotations"] = [
        at({"timestamp": dice.choice([0, 1000, 1100, 1200, 1500, 1600]), "value": value})
        for value in dice.sample(values, len(values))
    ]
    span["binaryAnnotations"] = [
        at({"key": key, "value": True if key in ("sa", "ca", "ma") else dice.choice(["", "v"])})
        for key in dice.choices(
            ["sa", "ca", "ma", "lc", "http.path", "error"], k=dice.randint(0, 4)
        )
    ]
    return span


def v1_spans(dice: random.Random, count: int) -> Iterator[Sent]:
    """The same spans in v1 JSON and thrift."""
    for number in range(count):
        spans = [v1_span(dice) for _ in range(dice.choice([1, 1, 2]))]
        for offset, content_type in enumerate((JSON, THRIFT)):
            trace = f"{0xB0_0000 + number * 2 + offset:x}"
            trace = trace.rjust(32, "7") if number % 5 == 0 else trace
            named = [{**span, "traceId": trace} for span in spans]
            body = thrift_list(named) if content_type == THRIFT else json.dumps(named).encode()
            yield Sent(f"v1 {content_type} {named}", "/api/v1/spans", content_type, body, trace)


def v2_trace(dice: random.Random, number: int) -> list[dict[str, Any]]:
    """A tangled trace: names in any case or none, times missing, parts twice."""
    trace = f"{0xD000 + number:016x}"
    trace = "463ac35c9f6413ad" + trace if number % 7 == 0 else trace
    count = dice.randint(1, 8)
    spans = []
    for own in range(1, count + 1):
        places = dice.choices(["front", "Back", "db", "q", "", None], k=2)
        span = {
            "traceId": trace,
            "id": f"{own}",
            "parentId": f"{dice.randint(1, count)}" if own > 1 else None,
            "kind": dice.choice(["CLIENT", "SERVER", "PRODUCER", "CONSUMER", None]),
            "name": dice.choice(["get", "Post", "all", "ünï", "x y", None]),
            "timestamp": START_US + number * 10_000_000 + dice.randint(0, 9_000_000),
            "duration": dice.choice([1, 1000, 5000, 100_000, None]),
            "localEndpoint": places[0] and {"serviceName": places[0], "ipv4": f"10.0.0.{own}"},
            "remoteEndpoint": places[1] and {"serviceName": places[1]},
            "shared": dice.random() < 0.2,
            "annotations": [{"timestamp": START_US, "value": dice.choice(_NOTES_ASKED)}],
            "tags": {
                key: dice.choice(values)
                for key, values in _TAGS_ASKED.items()
                if dice.random() < 0.4
            },
        }
        span["timestamp"] = None if dice.random() < 0.15 else span["timestamp"]
        spans.append({member: value for member, value in span.items() if value})
        if dice.random() < 0.2:
            spans.append({**spans[-1], "kind": "SERVER", "shared": True})
    return dice.sample(spans, len(spans))


_NOTES_ASKED: Final = ["cache.miss", "error", "a b", "x=y", "ws and"]
_TAGS_ASKED: Final = {
    "error": ["", "true", "boom"],
    "env": ["prod", "dev", "a=b", "p and q", ""],
    "http.method": ["GET", "POST"],
    "empty": [""],
}


def v2_spans(dice: random.Random, count: int) -> Iterator[Sent]:
    """Traces in v2 JSON, then in proto3."""
    for number in range(count):
        spans = v2_trace(dice, number)
        trace = spans[0]["traceId"]
        body = proto3_list(spans) if number % 2 else json.dumps(spans).encode()
        yield Sent(f"v2 {number}", "/api/v2/spans", PROTO3 if number % 2 else JSON, body, trace)


def tangled(dice: random.Random, number: int) -> list[dict[str, Any]]:
    """A trace in ten seconds of its own whose spans share few ids, places and kinds."""
    spans = []
    trace = dice.choice(["", "463ac35c9f6413ad"]) + f"{0xE000 + number:016x}"
    for _ in range(dice.randint(1, 8)):
        place = {
            "serviceName": dice.choice("abc"),
            "ipv4": dice.choice([None, None, "10.0.0.1", "10.0.0.2"]),
            "port": dice.choice([None, None, None, 80, 81]),
        }
        span = {
            "traceId": trace,
            "id": f"{dice.randint(1, 5)}",
            "parentId": dice.choice([None, *"123456"]),
            "kind": dice.choice(["CLIENT", "SERVER", "PRODUCER", "CONSUMER", None]),
            "timestamp": TANGLED_US + number * 10_000_000 + dice.randint(0, 5_000_000),
            "localEndpoint": dice.choice([None, place, place]),
            "remoteEndpoint": dice.choice([None, {"serviceName": dice.choice("abcd")}]),
            "shared": dice.random() < 0.2,
            "tags": dice.choice([None, None, None, {"error": ""}]),
        }
        span["timestamp"] = None if dice.random() < 0.2 else span["timestamp"]
        spans.append({member: value for member, value in span.items() if value})
    return spans


# ── questions ────────────────────────────────────────────────────────────────────────────────

_TERMS: Final = [
    *("error", "error=", "error=true", "=true", "env=prod", "env=a=b", "env=p and q", "x=y", "a b"),
    *("env=prod and http.method=GET", "env=prod and env=dev", "env and env=dev", "env=dev and env"),
    *("cache.miss", "ws and", "ws and ", "and", "a and b", "empty", "empty=", "nope", "ENV=prod"),
    *("env = prod", " env=prod ", "env=prod AND error", "env=prod and  error", "error and  x"),
    *(" and env=prod", "env=prod and ", "env=prod\u2003", "env=\tprod", "ünï", ""),
]
_AMOUNTS: Final = [
    *("0", "-1", "1", "x", "1.5", "", "%20", "%2B1", "5000000000", "99999999999999999999", "0x5"),
    *("1_0", "%D9%A3", "1%20", "-0", "9223372036854775807", "2147483648"),
]
_IDS: Final = [
    *(
        "xyz",
        "0",
        "0" * 32,
        "%20d001",
        "d001%20",
        "%E2%80%A8d001",
        "D001",
        "1" * 33,
        "%00",
        "d001/x",
    ),
    *("d001?raw=true", "%C3%A9", "d001%2F", "d001,d002", "", "00000000000000000000d001"),
]
_MANY: Final = [
    *("", "d001", "d001,", "d001,d002", ",d001", "d001,d001", "d001,0d001", "d001,zzz", ","),
    *("d001, d002", "d001,d002,eeee", "d002,d001", "ffff1,ffff2", "d001,d002,d003,", "d001%2Cd002"),
]
_PATHS: Final = [
    *("/api/v2/services", "/zipkin/api/v2/services", "/api/v2/autocompleteKeys", "/api/v2"),
    *("/zipkin/config.json", "/config.json", "/nope", "/", "/zipkin", "/favicon.ico", "/api/v2/"),
    *("/api/v1/services", "/api/v2/services/", "/api/v2/Services", "/api/v2/spans/", "/actuator/x"),
    *("/zipkin/api/v2/nope", "/zipkin/nope.js", "/api/v2/services;x=1", "/api/v2//services"),
    *("/api/v2/spans", "/api/v2/remoteServices", "/api/v2/autocompleteValues", "/api/v2/traceMany"),
    *("/api/v2/traces?limit", "/api/v2/traces?endTs", "/api/v2/dependencies", "/actuator"),
]


def questions() -> Iterator[str]:
    """Every parameter of every call, good values and bad ones."""
    window = f"endTs={END_MS}&lookback=1000000"
    yield from _PATHS
    for call in ("spans", "remoteServices"):
        for service in ("", "front", "FRONT", "nope", "%20front", "front&serviceName=back"):
            yield f"/api/v2/{call}?serviceName={service}"
    for key in ("", "env", "ENV", "http.method", "nope", "empty", "error"):
        yield f"/api/v2/autocompleteValues?key={key}"
    for amount in _AMOUNTS:
        yield f"/api/v2/traces?endTs={amount}&lookback=1000000"
        yield f"/api/v2/traces?endTs={END_MS}&lookback={amount}"
        yield f"/api/v2/traces?{window}&limit={amount}"
        yield f"/api/v2/traces?{window}&limit=100&minDuration={amount}"
        yield f"/api/v2/traces?{window}&limit=100&maxDuration={amount}"
        yield f"/api/v2/traces?{window}&limit=100&minDuration=1000&maxDuration={amount}"
        yield f"/api/v2/dependencies?endTs={amount}"
        yield f"/api/v2/dependencies?endTs={END_MS}&lookback={amount}"
    for term in _TERMS:
        yield f"/api/v2/traces?{window}&limit=100&annotationQuery={quote(term)}"
        yield f"/api/v2/traces?{window}&limit=100&serviceName=back&annotationQuery={quote(term)}"
    for service in ("front", "FRONT", "nope", "", "%20"):
        yield f"/api/v2/traces?{window}&limit=100&serviceName={service}"
        for name in ("get", "GET", "all", "ALL", "", "nope", "x+y"):
            yield f"/api/v2/traces?{window}&limit=100&serviceName={service}&spanName={name}"
            yield f"/api/v2/traces?{window}&limit=100&remoteServiceName={service}&spanName={name}"
    for offset in range(-100_000, 900_000, 100_000):
        yield f"/api/v2/dependencies?endTs={START_US // 1000 + offset}&lookback=70000"
        yield f"/api/v2/traces?endTs={START_US // 1000 + offset}&lookback=70000&limit=3"
    for trace in _IDS:
        yield f"/api/v2/trace/{trace}"
    for traces in _MANY:
        yield f"/api/v2/traceMany?traceIds={traces}"


METHODS: Final = [
    (method, path)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "POST", "HEAD")
    for path in ("/api/v2/services", "/zipkin/api/v2/spans", "/health", "/nope", "/")
]
