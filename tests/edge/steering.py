"""Attempts to steer the gateway, as data: what is sent, who answers, what must not get through."""

from __future__ import annotations

from typing import NamedTuple

# The answer comes from the stable service, from the staged one, or from the gateway alone.
STABLE, STAGED, NOBODY = "world-v1", "world-v2", ""
TO_STAGED = b"/host/world => /srv/world-v2"


class Attempt(NamedTuple):
    """One request. Shape: `lines` are its header lines besides Host; `{token}` names a grant."""

    name: str
    lines: tuple[bytes, ...] = ()
    reaches: str = STABLE
    status: int = 200
    never: tuple[bytes, ...] = (b"smuggled",)
    kept: tuple[bytes, ...] = ()
    host: bytes = b"www.hello.world"
    target: bytes = b"/"
    method: bytes = b"GET"
    body: bytes = b""
    source: str = ""


# Linkerd 1.7.5 reads or writes these; the last ones are nobody's yet.
NAMES = [
    b"l5d-dtab",
    b"l5d-ctx-dtab",
    b"l5d-ctx-trace",
    b"l5d-ctx-deadline",
    b"l5d-ctx-retry",
    b"l5d-ctx-anything",
    b"l5d-sample",
    b"l5d-reqid",
    b"l5d-dst-service",
    b"l5d-dst-client",
    b"l5d-dst-residual",
    b"l5d-dst-logical",
    b"l5d-dst-concrete",
    b"l5d-add-context",
    b"l5d-name",
    b"l5d-err",
    b"l5d-retryable",
    b"l5d-success-class",
    b"l5d-new",
    b"weir-debug",
    b"weir-trail",
]
EMPLOYEE = b"Cookie: special_employee_cookie=letmein"
OPENS = b"Cookie: special_employee_cookie=opens"

FORMS = [
    Attempt(f"{name.decode()} {form}", tuple(lines))
    for name in NAMES
    for form, lines in (
        ("as it is", [name + b": smuggled"]),
        ("in capitals", [name.upper() + b": smuggled"]),
        ("with _", [name.replace(b"-", b"_") + b": smuggled"]),
        ("with .", [name.replace(b"-", b".") + b": smuggled"]),
        ("fifty times", [name + b": smuggled"] * 50),
    )
]

HEADERS = [
    Attempt("an outsider's override", (b"l5d-dtab: " + TO_STAGED,), never=(b"world-v2",)),
    Attempt("an outsider's context dtab", (b"l5d-ctx-dtab: " + TO_STAGED,), never=(b"world-v2",)),
    Attempt("both in mixed case", (b"L5d-DtAb: " + TO_STAGED, b"L5D-CTX-DTAB: " + TO_STAGED), never=(b"world-v2",)),
    Attempt("without a blank behind the colon", (b"l5d-dtab:" + TO_STAGED,), never=(b"world-v2",)),
    Attempt("with tabs around the value", (b"l5d-dtab:\t" + TO_STAGED + b"\t",), never=(b"world-v2",)),
    Attempt("a blank before the colon", (b"l5d-dtab : " + TO_STAGED,), NOBODY, 400, source="llhttp refuses"),
    Attempt("a folded line", (b"X-A: b\r\n l5d-dtab: " + TO_STAGED,), NOBODY, 400),
    Attempt("a bare line feed", (b"X-A: b\nl5d-dtab: smuggled",), NOBODY, 400),
    Attempt("a carriage return alone", (b"X-A: b\rl5d-dtab: smuggled",), NOBODY, 400),
    Attempt("a NUL in a value", (b"X-A: b\x00l5d-dtab: smuggled",), NOBODY, 400),
    Attempt("nominated by Connection", (b"Connection: keep-alive, l5d-ctx-trace, l5d-dst-client",), kept=(b"l5d-ctx-trace: ", b"l5d-dst-client: ")),
    Attempt("nominated in capitals", (b"Connection: L5D-CTX-TRACE",), kept=(b"l5d-ctx-trace: ",)),
    Attempt("X-Forwarded-For nominated", (b"Connection: x-forwarded-for",), NOBODY, 400, source="CVE-2021-32813"),
    Attempt("Host nominated", (b"Connection: host",), NOBODY, 400),
    Attempt("Cookie nominated", (b"Connection: cookie", EMPLOYEE), NOBODY, 400),
    Attempt("ten names nominated", (b"Connection: " + b",".join([b"x"] * 10),), NOBODY, 400),
    Attempt(
        "ours as trailers",
        (b"Transfer-Encoding: chunked", b"Trailer: l5d-dtab"),
        method=b"POST",
        body=b"1\r\nx\r\n0\r\nl5d-dtab: smuggled\r\nL5D_CTX_TRACE: smuggled\r\nweir-grant: smuggled\r\n\r\n",
    ),
    Attempt("X-Forwarded-For forged", (b"X-Forwarded-For: 6.6.6.6",), never=(b"6.6.6.6",), kept=(b"X-Forwarded-For: 127.0.0.1\r\n",)),
    Attempt("X-Forwarded-Host forged", (b"X-Forwarded-Host: smuggled",), kept=(b"X-Forwarded-Host: www.hello.world\r\n",)),
    Attempt("X-Forwarded-Proto forged", (b"X-Forwarded-Proto: https",), never=(b"https",)),
    Attempt("X-Forwarded-Prefix forged", (b"X-Forwarded-Prefix: smuggled",)),
    Attempt("X-Forwarded-Tls-Client-Cert forged", (b"X-Forwarded-Tls-Client-Cert: smuggled",)),
    Attempt("X-Forwarded-Client-Cert forged", (b"X-Forwarded-Client-Cert: smuggled",)),
    Attempt("X-Real-IP forged", (b"X-Real-IP: smuggled",)),
    Attempt("Forwarded forged", (b"Forwarded: for=smuggled",)),
    Attempt("a recorded traceparent", (b"traceparent: 00-%b-00f067aa0ba902b7-01" % (b"4b" * 16),), never=(b"00f067aa0ba902b7", b"4b4b")),
    Attempt("a traceparent in capitals, with a state", (b"TraceParent: smuggled", b"TraceState: smuggled=1"), source="attacks 75"),
    Attempt("b3 that demands a record", (b"b3: d", b"X-B3-Flags: 1", b"x-b3-sampled: 1"), never=(b"b3:", b"B3-Flags", b"b3-sampled"), source="attacks 76"),
    Attempt("b3 that disagrees with itself", (b"b3: smuggled", b"X-B3-TraceId: smuggled", b"X-B3-SpanId: smuggled"), source="attacks 77"),
    Attempt("a trace context of the wrong length", (b"l5d-ctx-trace: c211Z2dsZWQ=",), never=(b"c211Z2dsZWQ=",), source="attacks 77"),
    Attempt("baggage of 200 members", (b"baggage: " + b",".join(b"smuggled%d=%%zz" % n for n in range(200)),), source="attacks 78"),
    Attempt("Via forged", (b"Via: 1.1 smuggled",)),
    Attempt("a pseudo header nominated", (b"Connection: :authority",), NOBODY, 400),
    Attempt("X-Forwarded-Host nominated in a second line", (b"Connection: close", b"Connection: X-Forwarded-Host"), NOBODY, 400),
    Attempt("ten names nominated in ten lines", (b"Connection: x",) * 10, NOBODY, 400),
    Attempt("a request id that is no UUID", (b"X-Request-Id: ../%0d%0a-not-a-uuid",), kept=(b": ../%0d%0a-not-a-uuid\r\n", b"l5d-ctx-trace: ")),
    Attempt("the admin port by its address", host=b"127.0.0.1:{admin}", target=b"/edge.json", reaches=NOBODY, source="the test answer"),
    Attempt("an absolute target for the admin port", target=b"http://127.0.0.1:{admin}/edge.json", reaches=NOBODY, source="the test answer"),
    Attempt("the admin port's paths", target=b"/config.json", kept=(b"GET /config.json HTTP/1.1\r\n",)),
    Attempt("our own paths", target=b"/.weir/anything", reaches=NOBODY, status=404),
    Attempt("escapes of a terminal in names that are logged", (b"User-Agent: \x1b[2J\x1b]0;x\x07",), target=b"/%1b%5b2J", reaches=NOBODY, status=400),
    Attempt("Upgrade to h2c", (b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Connection: Upgrade, HTTP2-Settings"), never=(b"h2c", b"HTTP2-Settings")),
    Attempt("two hosts", (b"Host: api.hello.world",), NOBODY, 400),
    Attempt("an absolute target for another host", host=b"nobody.test", target=b"http://WWW.hello.world/x", kept=(b"Host: www.hello.world\r\n",), never=(b"nobody.test",)),
    Attempt("a host with capitals, port and dot", host=b"WWW.Hello.World.:8080", kept=(b"Host: www.hello.world\r\n",)),
    Attempt("a host with a path", host=b"www.hello.world/x", reaches=NOBODY, status=400),
    Attempt("a host with a user", host=b"x@www.hello.world", reaches=NOBODY, status=400),
    Attempt("CONNECT", target=b"www.hello.world:80", method=b"CONNECT", reaches=NOBODY, status=405),
]  # fmt: skip

PATHS = [
    Attempt(f"the path {target.decode('latin-1')}", target=target, reaches=NOBODY, status=400, source="attacks 98")
    for target in (
        b"/a/../b", b"/..", b"/a/./b", b"/.", b"//", b"/a//b", b"/a/%2e%2e/b", b"/a/%2E./b", b"/%2e/",
        b"/a%2fb", b"/a%2F..%2Fb", b"/a%5cb", b"/a\\b", b"/a%00b", b"/a%0d%0aX:%20smuggled", b"/a%7f",
        b"/a%c0%afb", b"/a%c0%ae%c0%ae/b", b"/a%e0%80%af", b"/a%ed%a0%80", b"/a%ff", b"/a%", b"/a%4", b"/a%zz",
        b"/a/..;/b", b"/a/..;x=1/b", b"/a/..%3b/b", b"/.;/",
    )
] + [
    Attempt(f"the path {target.decode()} in one form", target=target, kept=(b"GET " + shown + b" HTTP",))
    for target, shown in (
        (b"/%41%7e", b"/A~"), (b"/caf%c3%a9", b"/caf%C3%A9"), (b"/a%20b%3f", b"/a%20b%3F"),
        (b"/a?x=/../%2e//", b"/a?x=/../%2e//"), (b"/a..b/...", b"/a..b/..."), (b"/file%2etxt", b"/file.txt"),
        (b"/a%252fb", b"/a%252fb"), (b"/.well-known/x", b"/.well-known/x"),
    )
]  # fmt: skip

COOKIES = [
    Attempt("the dogfood cookie", (b"Cookie: special_employee_cookie=dogfood",), STAGED),
    Attempt("the dogfood cookie among others", (b"Cookie: a=b; special_employee_cookie=dogfood; c=d",), STAGED),
    Attempt("dogfood with an own dtab", (b"Cookie: special_employee_cookie=dogfood", b"l5d-dtab: /host/world => /srv/smuggled"), STAGED),
    Attempt("dogfood with a trace and a rate", (b"Cookie: special_employee_cookie=dogfood", b"l5d-ctx-trace: smuggled", b"l5d-sample: smuggled"), STAGED),
    *(
        Attempt(f"the cookie {cookie.decode()!r}", (b"Cookie: " + cookie, b"l5d-dtab: " + TO_STAGED), source="attacks 63, 64")
        for cookie in (
            b"special_employee_cookie=DOGFOOD",
            b"special_employee_cookie=xDOGFOODx",
            b'special_employee_cookie="dogfood"',
            b"special_employee_cookie=dogfood ; special_employee_cookie=letmein",
            b"special_employee_cookie=dogfood; special_employee_cookie=dogfood",
            b"Special_Employee_Cookie=dogfood",
            b"xspecial_employee_cookie=dogfood",
            b"special_employee_cookie =dogfood",
            b"other=special_employee_cookie=dogfood",
            b"special_employee_cookie=dog%66ood",
            b"special_employee_cookie=letmein,x",
            b"special_employee_cookie=letmei",
            b"special_employee_cookie=",
            b"special_employee_cookie",
            b"special.employee.cookie=letmein",
        )
    ),
    Attempt("the cookie in two lines", (EMPLOYEE, EMPLOYEE, b"l5d-dtab: " + TO_STAGED)),
    Attempt("the cookie as a header", (b"special_employee_cookie: letmein", b"l5d-dtab: " + TO_STAGED)),
    Attempt("the cookie in Cookie2", (b"Cookie2: special_employee_cookie=letmein", b"l5d-dtab: " + TO_STAGED)),
]  # fmt: skip

OVERRIDES = [
    Attempt("an employee's override", (EMPLOYEE, b"l5d-dtab: " + TO_STAGED), STAGED),
    Attempt("an employee's override in two headers", (EMPLOYEE, b"l5d-dtab: /x => /y", b"L5D-DTAB: " + TO_STAGED), STAGED),
    *(
        Attempt(f"an employee's override {dtab.decode()[:60]!r}", (EMPLOYEE, b"l5d-dtab: " + dtab), NOBODY, status)
        for dtab, status in (
            (b"/host/world => /$/inet/169.254.169.254/80", 403),
            (b"/host/world => /$/inet/127.0.0.1/{admin}", 403),
            (b"/host/world => /$/inet/0x7f.1/{admin}", 403),
            (b"/host/world => /srv/none | /$/inet/127.0.0.1/{admin}", 403),
            (b"/host/world => /$/io.buoyant.rinet/80/metadata.google.internal", 403),
            (b"/host/world => /$/io.buoyant.hostportPfx/x", 403),
            (b"/host/world => /#/io.l5d.fs/world-v2", 403),
            (b"/srv => /#/io.l5d.fs", 403),
            (b"/$/inet => /srv/world-v2", 403),
            (b"/# => /srv", 403),
            (b"/* => /srv/world-v2", 403),
            (b"/ => /srv/world-v2", 403),
            (b"/host/world => /", 403),
            (b"/host/\\x77orld => /$/inet/127.0.0.1/{admin}", 403),
            (b"/host/world => /\\x24/inet/127.0.0.1/{admin}", 403),
            (b";".join(b"/host/h%d => /srv/a" % n for n in range(101)), 400),
            (b"/host/world", 400),
            (b"/host/world => ", 400),
            (b"/host/world = /srv/world-v2", 400),
            (b"host/world => /srv/world-v2", 400),
            (b"/host/world => /srv/world-v2 /srv/x", 400),
            (b"/host/world => (/srv/world-v2", 400),
            (b"/host/world => NaN * /srv/a & 1 * /srv/b", 400),
            (b"/host/world => -1 * /srv/a & 1 * /srv/b", 400),
            (b"/host/world => 1e308 * /srv/a & 1e308 * /srv/b", 400),
            (b"/host/world => Infinity * /srv/a & 1 * /srv/b", 400),
            (b"/host/world => \xe2\x98\x83", 400),
            (b"/host/world => /host/world", 400),
            (b"/host/world => /a ; /a => /b ; /b => /a", 400),
            (b"/host/world => /a & /a ; /a => /host/world | /host/world & /a", 400),
            # Through entries of the base: /ph => /$/io.buoyant.rinet ; /addr => /$/inet
            (b"/host/world => /ph/80/169.254.169.254", 403),
            (b"/host/world => /addr/169.254.169.254/80", 403),
            (b"/host/world => /addr/127.0.0.1/{admin}", 403),
            (b"/host/world => /ph/{admin}/localhost", 403),
            (b"/host => /addr/127.0.0.1/{admin}", 403),
            (b"/host/world => /x/127.0.0.1 ; /x/127.0.0.1 => /addr/127.0.0.1/{admin}", 403),
            (b"/host/world => /srv/none | /addr/127.0.0.1/{admin}", 403),
            (b"/host/world => 1000 * /srv/world-v1 & 1 * /addr/127.0.0.1/{admin}", 403),
            (b"/host/world => /here/{admin}", 403),
            (b"/host/world => !", 502),
            (b"/host/world => $", 502),
        )
    ),
    Attempt("an override to an address that the base names itself", (EMPLOYEE, b"l5d-dtab: /host/world => /there"), STAGED),
    Attempt("an address that the rule opens", (OPENS, b"l5d-dtab: /host/world => /addr/127.0.0.1/{staged}"), STAGED),
    Attempt("an address that the rule opens, said outright", (OPENS, b"l5d-dtab: /host/world => /$/inet/127.0.0.1/{staged}"), STAGED),
    Attempt("an address beside the one that the rule opens", (OPENS, b"l5d-dtab: /host/world => /addr/169.254.169.254/80"), NOBODY, 403),
    Attempt("an address that one rule opens, under another", (EMPLOYEE, b"l5d-dtab: /host/world => /addr/127.0.0.1/{staged}"), NOBODY, 403),
    Attempt("a fan of 2^90 names", (EMPLOYEE, b"l5d-dtab: /host/world => /a0;" + b";".join(b"/a%d=>/a%d & /a%d" % (n, n + 1, n + 1) for n in range(90))), source="each name is bound once: nobody is there"),
    Attempt("ten thousand entries", (EMPLOYEE, b"l5d-dtab: " + b"/a=>/b;" * 2_000), NOBODY, 400),
    Attempt("an override to nobody", (EMPLOYEE, b"l5d-dtab: /host/world => /srv/nobody"), source="Finagle: the next entry is tried"),
    Attempt("weights of nothing", (EMPLOYEE, b"l5d-dtab: /host/world => 0 * /srv/world-v2 & 0 * /srv/world-v2"), STAGED, source="Linkerd: equal shares"),
    Attempt("a dtab of 1 MB", (EMPLOYEE, b"l5d-dtab: " + b"/a=>/b;" * 150_000), NOBODY, 431),
    Attempt("a dtab of 1 MB in many lines", (EMPLOYEE, *[b"l5d-dtab: " + b"/a=>/b;" * 1_000] * 140), NOBODY, 431),
    Attempt("a dtab of 12 kB of nesting", (EMPLOYEE, b"l5d-dtab: /a => " + b"(" * 12_000 + b"/b" + b")" * 100), NOBODY, 400),
    Attempt("a dtab behind a bad rate", (EMPLOYEE, b"l5d-sample: NaN", b"l5d-dtab: " + TO_STAGED), STAGED),
    Attempt("a broken trace context", (EMPLOYEE, b"l5d-ctx-trace: smuggled", b"l5d-dtab: " + TO_STAGED), STAGED),
]  # fmt: skip

GRANTS = [
    Attempt("a good grant as cookie", (b"Cookie: a=b; weir-grant={good}; c=d",), STAGED, never=(b"weir-grant", b"{good}"), kept=(b"a=b; c=d",)),
    Attempt("a good grant as the only cookie", (b"Cookie: weir-grant={good}",), STAGED, never=(b"weir-grant", b"{good}", b"Cookie")),
    Attempt("a good grant as the last cookie", (b"Cookie: a=b; weir-grant={good}",), STAGED, never=(b"weir-grant", b"{good}")),
    Attempt("a good grant as header", (b"Weir-Grant: {good}",), STAGED, never=(b"{good}", b"eir-Grant")),
    Attempt("a good grant as both", (b"Weir-Grant: {good}", b"Cookie: weir-grant={good}"), STAGED, never=(b"{good}",)),
    Attempt("a grant for every subdomain", (b"weir-grant: {good-wildcard}",), STAGED, never=(b"{good-wildcard}",)),
    Attempt("a grant with an own dtab that it does not allow", (b"weir-grant: {good}", b"l5d-dtab: /host/world => /srv/smuggled"), STAGED),
    Attempt("a scoped grant and an override within", (b"weir-grant: {good-scoped}", b"l5d-dtab: " + TO_STAGED), STAGED),
    Attempt("a scoped grant and no override", (b"weir-grant: {good-scoped}",)),
    Attempt("a scoped grant and another name", (b"weir-grant: {good-scoped}", b"l5d-dtab: /host/hello => /srv/world-v2"), NOBODY, 403),
    Attempt("a scoped grant and another target", (b"weir-grant: {good-scoped}", b"l5d-dtab: /host/world => /tmp/world-v2"), NOBODY, 403),
    Attempt("a scoped grant and an address", (b"weir-grant: {good-scoped}", b"l5d-dtab: /host/world => /$/inet/127.0.0.1/{admin}"), NOBODY, 403),
    Attempt("a grant that leads to an address through the base", (b"weir-grant: {good-leading-out}",), NOBODY, 403),
    Attempt("a grant that opens more than the gateway allows", (b"weir-grant: {good-opening}", b"l5d-dtab: /host/world => /$/inet/127.0.0.1/{staged}"), NOBODY, 403),
    Attempt("a grant that opens more, through the base", (b"weir-grant: {good-opening}", b"l5d-dtab: /host/world => /addr/127.0.0.1/{staged}"), NOBODY, 403),
    Attempt("a grant to read, that reads", (b"weir-grant: {good-reading}",), STAGED),
    Attempt("a grant to read, that writes", (b"weir-grant: {good-reading}", b"Content-Length: 0"), method=b"POST", never=(b"{good-reading}",)),
    Attempt("a grant to read, that deletes", (b"Cookie: weir-grant={good-reading}",), method=b"DELETE", never=(b"{good-reading}",)),
    Attempt("two different grants", (b"weir-grant: {good}", b"Cookie: weir-grant={good-wildcard}"), never=(b"{good}", b"{good-wildcard}")),
    Attempt("a good and a bad grant", (b"weir-grant: {good}", b"weir-grant: {expired}"), never=(b"{good}",)),
    Attempt("a good grant in the query", target=b"/?weir-grant={good}"),
    Attempt("a good grant as Bearer", (b"Authorization: Bearer {good}",)),
    Attempt("a good grant under a name in other case", (b"Cookie: Weir-Grant={good}",)),
]  # fmt: skip


def bad_grants(names: list[str]) -> list[Attempt]:
    """Each bad grant, as header and as cookie, with an override that it must not open."""
    found = []
    for name in names:
        token = b"{" + name.encode() + b"}"
        override = b"l5d-dtab: " + TO_STAGED
        never = (b"world-v2",) if name.startswith("that is empty") else (token, b"world-v2")
        found += [
            Attempt(f"a grant {name}, as header", (b"weir-grant: " + token, override), never=never),
            Attempt(
                f"a grant {name}, as cookie",
                (b"Cookie: weir-grant=" + token, override),
                never=never,
            ),
        ]
    return found


_TRACE, _SPAN = b"4b" * 16, b"00f067aa0ba902b7"
_GOOD = b"traceparent: 00-" + _TRACE + b"-" + _SPAN + b"-01"


def _tracestate(*values: bytes) -> tuple[bytes, ...]:
    return (_GOOD, *(b"tracestate: " + value for value in values))


# The cases of the W3C's own test suite for Trace Context, in its order.
W3C = {
    "absent": (),
    "without a state": (_GOOD,),
    "a state alone": (b"tracestate: foo=1",),
    "twice": (_GOOD, _GOOD.replace(b"4b", b"5c")),
    "in capitals": (_GOOD.replace(b"traceparent", b"TRACEPARENT"),),
    "with a dash for its name": (b"trace-parent: 00-4",),
    "of version 00 and more": (_GOOD + b".",),
    "of version 00 and another field": (_GOOD + b"-what-the-future",),
    "of version cc": (_GOOD.replace(b"00-4b", b"cc-4b"),),
    "of version cc and more": (_GOOD.replace(b"00-4b", b"cc-4b") + b"-what-the-future",),
    "of version cc and a dot": (_GOOD.replace(b"00-4b", b"cc-4b") + b".what-the-future",),
    "of version ff": (_GOOD.replace(b"00-4b", b"ff-4b"),),
    "of version .0": (_GOOD.replace(b"00-4b", b".0-4b"),),
    "of version 0.": (_GOOD.replace(b"00-4b", b"0.-4b"),),
    "of version 000": (_GOOD.replace(b"00-4b", b"000-4b"),),
    "of version 0": (_GOOD.replace(b"00-4b", b"0-4b"),),
    "of a zero trace": (_GOOD.replace(_TRACE, b"0" * 32),),
    "of a trace with a dot": (_GOOD.replace(_TRACE, b"." + _TRACE[1:]),),
    "of a trace too long": (_GOOD.replace(_TRACE, _TRACE + b"a"),),
    "of a trace too short": (_GOOD.replace(_TRACE, _TRACE[1:]),),
    "of a zero parent": (_GOOD.replace(_SPAN, b"0" * 16),),
    "of a parent with a dot": (_GOOD.replace(_SPAN, b"." + _SPAN[1:]),),
    "of a parent too long": (_GOOD.replace(_SPAN, _SPAN + b"a"),),
    "of a parent too short": (_GOOD.replace(_SPAN, _SPAN[1:]),),
    "with flags .0": (_GOOD[:-2] + b".0",),
    "with flags 0.": (_GOOD[:-2] + b"0.",),
    "with flags 001": (_GOOD[:-2] + b"001",),
    "with flags 1": (_GOOD[:-2] + b"1",),
    "among blanks": (_GOOD.replace(b": ", b": \t ") + b" \t",),
    "with a state in capitals": (_GOOD, b"TRACESTATE: foo=1"),
    "with an empty state": _tracestate(b"", b"foo=1"),
    "with states in many lines": _tracestate(b"foo=1,bar=2", b"rojo=1,congo=2", b"baz=3"),
    "with a key twice": _tracestate(b"foo=1,foo=1"),
    "with a key twice in two lines": _tracestate(b"foo=1", b"foo=2"),
    "with every letter": _tracestate(b"abcdefghijklmnopqrstuvwxyz0123456789_-*/=" + bytes(range(33, 44))),
    "with blanks in its state": _tracestate(b"foo=1 \t , \t bar=2, \t baz=3"),
    "with a key that is none": _tracestate(b"foo =1", b"FOO=1", b"foo.bar=1"),
    "with a key of two vendors": _tracestate(b"foo@=1,bar=2", b"@foo=1", b"foo@@bar=1"),
    "with a long key": _tracestate(b"z" * 257 + b"=1", b"t" * 242 + b"@v=1"),
    "with a value that is none": _tracestate(b"foo=bar=baz", b"foo=,bar=3"),
    "with 33 members": _tracestate(b",".join(b"k%d=1" % number for number in range(33))),
    "with a state of 4 kB": _tracestate(b"a=" + b"x" * 4_000),
}  # fmt: skip
TRACES = [
    Attempt(f"an outsider's traceparent {name}", lines, never=(_SPAN, b"4b4b", b"tracestate", b"TRACESTATE"), kept=(b"l5d-ctx-trace: ",), source="attacks 75")
    for name, lines in W3C.items()
] + [
    Attempt(f"an employee's traceparent {name}", (EMPLOYEE, *lines), kept=(b"l5d-ctx-trace: ",), source="attacks 75")
    for name, lines in W3C.items()
]  # fmt: skip


ATTEMPTS = [*FORMS, *HEADERS, *PATHS, *COOKIES, *OVERRIDES, *GRANTS, *TRACES]
