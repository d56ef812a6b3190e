from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.kits.demo_app import DemoApp, demo_app, read_answer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def world() -> Iterator[DemoApp]:
    env = {"POD_IP": "127.0.1.9", "TARGET_WORLD": "earth"}
    with demo_app("world", "-addr=127.0.0.1:0", env=env) as app:
        yield app


def post(app: DemoApp, target: str) -> tuple[int, str]:
    answer = httpx.post(app.url + target)
    return answer.status_code, answer.text


def test_a_chain_says_each_name_with_its_address(world: DemoApp) -> None:
    hello_flags = ("helloworld", "--addr", "127.0.0.1:0", "-text=Hello", f"-target={world.address}")
    with demo_app(*hello_flags, env={"POD_IP": "127.0.1.8"}) as hello:
        answer = httpx.get(hello.url)
        assert answer.text == "Hello (127.0.1.8) earth (127.0.1.9)!!"
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        api_flags = ("api", "-addr=127.0.0.1:0", f"-target={hello.address}")
        with demo_app(*api_flags, env={"POD_IP": "127.0.1.7"}) as api:
            assert httpx.get(f"{api.url}/any/path?x=1").text == (
                '{"api_result": "api (127.0.1.7) Hello (127.0.1.8) earth (127.0.1.9)!!"}'
            )


def test_any_method_and_path_is_answered(world: DemoApp) -> None:
    for method, target in [("PUT", "/x"), ("PROPFIND", "/"), ("GET", "/setlatency")]:
        assert httpx.request(method, world.url + target).text == "earth (127.0.1.9)!"


def test_without_a_pod_ip_there_are_no_brackets() -> None:
    with demo_app("helloworld", "-addr=127.0.0.1:0", "-text=Hi") as app:
        assert httpx.get(app.url).text == "Hi!"


def test_latency_and_failure_rate_change_while_it_runs() -> None:
    with demo_app("world", "-addr=127.0.0.1:0") as app:
        assert post(app, "/setLatency?latency=50ms") == (200, "ok")
        assert app.line() == "set latency to 50ms"
        assert httpx.get(app.url).elapsed.total_seconds() >= 0.05
        assert post(app, "/setLatency?latency=0") == (200, "ok")
        assert app.line() == "set latency to 0s"
        assert post(app, "/setFailureRate?failureRate=1.0") == (200, "ok")
        assert app.line() == "set failure rate to 1"
        answer = httpx.get(app.url)
        assert (answer.status_code, answer.text) == (500, "\n")
        assert post(app, "/setFailureRate?failureRate=0") == (200, "ok")
        assert httpx.get(app.url).status_code == 200


@pytest.mark.parametrize(
    ("target", "status", "said"),
    [
        ("/setLatency", 400, "missing required parameter: latency"),
        ("/setLatency?latency=", 400, "missing required parameter: latency"),
        ("/setLatency?latency=2", 400, "latency is not a valid duration"),
        ("/setFailureRate", 400, "missing required parameter: failureRate"),
        ("/setFailureRate?failureRate=x", 400, "failureRate is not a valid float"),
        ("/setFailureRate?failureRate=nan", 400, "failureRate is not a valid float"),
        ("/setFailureRate?failureRate=1.1", 400, "failureRate must be between 0.0 and 1.0"),
    ],
)
def test_a_setting_that_cannot_be_read_changes_nothing(
    world: DemoApp, target: str, status: int, said: str
) -> None:
    assert post(world, target) == (status, said + "\n")


@pytest.mark.parametrize("target", ["/setLatency?latency=1s", "/setFailureRate?failureRate=1"])
def test_settings_want_a_post(world: DemoApp, target: str) -> None:
    answer = httpx.get(world.url + target)
    assert (answer.status_code, answer.text) == (405, "POST required\n")


def test_a_target_that_fails_is_a_503_with_the_reason() -> None:
    with (
        demo_app("world", "-addr=127.0.0.1:0", "-failure-rate=1") as world,
        demo_app("hello", "-addr=127.0.0.1:0", f"-target={world.address}") as hello,
    ):
        answer = httpx.get(hello.url)
        assert (answer.status_code, answer.text) == (503, "invalid response 500\n")
        world.stop()
        answer = httpx.get(hello.url)
        assert answer.status_code == 503
        assert answer.text.startswith(f'Get "http://{world.address}": ')


def test_calls_go_through_the_proxy_in_absolute_form_with_their_context() -> None:
    seen: list[bytes] = []

    def answer_once(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65_536)
            seen.append(received)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nthe!")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        router = threading.Thread(target=answer_once, args=(listening,))
        router.start()
        env = {"http_proxy": f"127.0.0.1:{listening.getsockname()[1]}"}
        with demo_app("hello", "-addr=127.0.0.1:0", env=env) as hello:
            headers = {"l5d-ctx-trace": "AAAA", "l5d-dtab": "/a => /b", "traceparent": "00-1-2-01"}
            assert httpx.get(hello.url, headers=headers).text == "Hello the!!"
        router.join()
    line, *fields = seen[0].rstrip(b"\r\n").split(b"\r\n")
    assert line == b"GET http://world/ HTTP/1.1"
    named = {name.lower(): value for name, value in (field.split(b": ", 1) for field in fields)}
    assert named[b"host"] == b"world"
    assert named[b"l5d-ctx-trace"] == b"AAAA"
    assert named[b"traceparent"] == b"00-1-2-01"
    assert b"l5d-dtab" not in named


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_request_under_way_finish(number: signal.Signals) -> None:
    with demo_app("world", "-addr=127.0.0.1:0", "-latency=300ms") as app, app.connect() as asked:
        asked.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        status: list[int] = []
        # Read after what was sent before it, so the first request has arrived.
        with app.connect() as other:
            other.sendall(b"POST /setLatency?latency=1ms HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(other)[1] == b"ok"
        stopper = threading.Thread(target=lambda: status.append(app.stop(number)))
        stopper.start()
        head, body = read_answer(asked)
        assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 200 OK", b"world!")
        stopper.join()
        assert status == [0]


def test_a_port_in_use_is_one_clear_line(world: DemoApp) -> None:
    command = [sys.executable, "-m", "demo", "world", f"-addr={world.address}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    said = f"python -m demo world: listen on {world.address}: address already in use\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", said)


def test_a_host_in_the_address_is_bound_alone(world: DemoApp) -> None:
    port = world.address.rpartition(":")[2]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.2:{port}")


def test_without_a_host_every_address_is_bound() -> None:
    with demo_app("world", "-addr=:0") as app:
        assert app.address.startswith(":")
        assert httpx.get(f"http://127.0.0.2{app.address}").text == "world!"
