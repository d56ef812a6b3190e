"""The demo apps' command line. What an app needs is imported when that app is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from demo.address import AddressError, listen
from demo.duration import NONE, Nanos, parse_duration, show_duration
from demo.flags import (
    HelpAsked,
    UsageError,
    boolean,
    decimal,
    flag,
    read_flags,
    usage,
    whole,
)

Env: TypeAlias = Mapping[str, str]

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
# The reference refuses to start with more: its own server would cut such an answer off.
TEN_SECONDS: Final = parse_duration("10s")
LATENCY_MAX: Final = TEN_SECONDS


class StartError(Exception):
    """The app cannot start as asked; the text is one line."""


@dataclass(frozen=True, slots=True)
class HelloFlags:
    """The reference's flags and defaults."""

    addr: str = flag(":7777", "address to listen on", str)
    text: str = flag("Hello", "text to answer; the variable TARGET_WORLD goes before it", str)
    target: str = flag("", "host[:port] to call first; its answer is appended", str)
    latency: Nanos = flag(  # noqa: RUF009
        NONE, "time to sleep at the start of each request", parse_duration, show_duration
    )
    failure_rate: float = flag(0.0, "share of requests to answer 500, from 0.0 to 1.0", decimal)
    json: bool = flag(default=False, text="answer JSON instead of text", read=boolean)
    protocol: str = flag("http", "http", str)


@dataclass(frozen=True, slots=True)
class EchoFlags:
    """The echo app's."""

    addr: str = flag(":7780", "address to listen on", str)


@dataclass(frozen=True, slots=True)
class LoadFlags:
    """The load generator's."""

    url: str = flag("", "URL to get, http only", str)
    host: str = flag("", "Host header, if it is not the URL's", str)
    rate: float = flag(
        0.0, "requests a second over all connections; 0 is as fast as it goes", decimal
    )
    concurrency: int = flag(10, "connections", whole)
    duration: Nanos = flag(TEN_SECONDS, "how long", parse_duration, show_duration)  # noqa: RUF009
    timeout: Nanos = flag(TEN_SECONDS, "for one request", parse_duration, show_duration)  # noqa: RUF009
    json: bool = flag(default=False, text="print the summary as JSON", read=boolean)


def hello(given: HelloFlags, env: Env) -> int:
    """Run the hello, world or api app until a signal."""
    if given.protocol != "http":
        raise StartError(f"unsupported protocol: {given.protocol}")
    if given.latency > LATENCY_MAX:
        raise StartError(f"latency {show_duration(given.latency)} is longer than 10s")
    if not 0.0 <= given.failure_rate <= 1.0:
        raise StartError("failure-rate must be between 0.0 and 1.0")
    listening, address = listen(given.addr)
    from demo.hello import Manner, hello_app  # noqa: PLC0415 - after a port in use has failed

    call = None
    if given.target:
        from demo.call import Call  # noqa: PLC0415 - half of the start is httpx
        from demo.way import proxy_for  # noqa: PLC0415

        call = Call(given.target, proxy_for(given.target, env))
    manner = Manner(
        text=env.get("TARGET_WORLD") or given.text,
        pod_ip=env.get("POD_IP", ""),
        json=given.json,
        latency=given.latency,
        failure_rate=given.failure_rate,
    )
    from demo.serve import serve  # noqa: PLC0415

    serve(hello_app(manner, call), listening, _starting(address))
    return 0


def echo(given: EchoFlags, env: Env) -> int:
    """Run the echo server until a signal."""
    listening, address = listen(given.addr)
    from demo.echo import serve_echo  # noqa: PLC0415

    serve_echo(env.get("POD_IP", ""), listening, _starting(address))
    return 0


def load(given: LoadFlags, env: Env) -> int:
    """Send requests and print what came of them."""
    from demo.load import Plan, PlanError, run  # noqa: PLC0415

    try:
        plan = Plan.read(
            url=given.url,
            host=given.host,
            rate=given.rate,
            concurrency=given.concurrency,
            duration=given.duration,
            timeout=given.timeout,
            env=env,
        )
    except PlanError as error:
        raise UsageError(str(error)) from None
    tally = run(plan)
    print(tally.to_json() if given.json else tally.summary())  # noqa: T201 - its output
    return 0 if tally.answers else EXIT_FAILED


@dataclass(frozen=True, slots=True)
class App:
    """One name of the command line: its flags, with other defaults where `preset` has them."""

    run: Callable[[Any, Env], int]
    flags: type[Any]
    about: str
    preset: tuple[str, ...] = ()


APPS: Final[Mapping[str, App]] = {
    "helloworld": App(hello, HelloFlags, "the app that the next three are, by its flags"),
    "hello": App(hello, HelloFlags, "calls world", ("-addr=:7777", "-text=Hello", "-target=world")),
    "world": App(hello, HelloFlags, "calls nobody", ("-addr=:7778", "-text=world")),
    "api": App(
        hello, HelloFlags, "calls hello, answers JSON",
        ("-addr=:7779", "-text=api", "-target=hello", "-json"),
    ),
    "echo": App(echo, EchoFlags, "answers with the request as it arrived, as JSON"),
    "load": App(load, LoadFlags, "sends requests and measures the answers"),
}  # fmt: skip


def main(arguments: Sequence[str], env: Env, program: str = "weir demo") -> int:
    """Run one app. Returns the exit status: 0, 1 if it failed, 2 for a wrong command line."""
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    if name in ("", "-h", "-help", "--help", "help"):
        print(_overview(program), file=sys.stdout if name else sys.stderr)
        return 0 if name else EXIT_USAGE
    app = APPS.get(name)
    if app is None:
        near = get_close_matches(name, APPS, n=1)
        mend = f"did you mean {near[0]}?" if near else f"one of {', '.join(APPS)}"
        return _fail(f"{program}: no app {name!r}; {mend}", EXIT_USAGE)
    try:
        return app.run(read_flags(app.flags, [*app.preset, *rest]), env)
    except HelpAsked:
        print(_help(program, name, app))  # noqa: T201
        return 0
    except UsageError as error:
        return _fail(f"{program} {name}: {error}", EXIT_USAGE)
    except (AddressError, StartError) as error:
        return _fail(f"{program} {name}: {error}", EXIT_FAILED)
    except KeyboardInterrupt:
        return 0  # a signal before the server had its own handlers


def _overview(program: str) -> str:
    lines = [f"usage: {program} APP [-flag=value …]; {program} APP -help", ""]
    lines += [f"  {name:<11} {app.about}" for name, app in APPS.items()]
    return "\n".join(lines)


def _help(program: str, name: str, app: App) -> str:
    preset = f"as helloworld {' '.join(app.preset)}; flags given go before\n" if app.preset else ""
    return f"usage: {program} {name} [flags]: {app.about}\n{preset}{usage(app.flags)}"


def _starting(address: str) -> Callable[[], None]:
    # The reference's own line. Flushed, for who waits for it reads a pipe.
    return lambda: print("starting HTTP server on", address, flush=True)  # noqa: T201


def _fail(text: str, status: int) -> int:
    print(text, file=sys.stderr)  # noqa: T201
    return status
