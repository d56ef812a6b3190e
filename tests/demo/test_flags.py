from __future__ import annotations

from dataclasses import dataclass

import pytest

from demo.flags import HelpAsked, UsageError, boolean, decimal, flag, read_flags, usage, whole
from demo.main import main


@dataclass(frozen=True)
class Flags:
    addr: str = flag(":7777", "where", str)
    failure_rate: float = flag(0.0, "how often", decimal)
    count: int = flag(1, "how many", whole)
    json: bool = flag(default=False, text="or not", read=boolean)


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ([], Flags()),
        (["-addr=:1"], Flags(addr=":1")),
        (["--addr=:1"], Flags(addr=":1")),
        (["-addr", ":1"], Flags(addr=":1")),
        (["-addr", "-json"], Flags(addr="-json")),
        (["-addr="], Flags(addr="")),
        (["-addr=a=b"], Flags(addr="a=b")),
        (["-addr=:1", "-addr=:2"], Flags(addr=":2")),
        (["-json", "-addr=:1"], Flags(addr=":1", json=True)),
        (["-json=false"], Flags()),
        (["-failure-rate=0.3", "--count", "7"], Flags(failure_rate=0.3, count=7)),
    ],
)
def test_flags_are_read_as_go_reads_them(arguments: list[str], flags: Flags) -> None:
    assert read_flags(Flags, arguments) == flags


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-adr=:1"], "unknown flag -adr; did you mean -addr?"),
        (["-zzz"], "unknown flag -zzz"),
        (["-addr"], "flag -addr needs a value"),
        (["-json=maybe"], "-json: 'maybe' is neither true nor false"),
        (["-json", "true"], "'true' is no flag"),
        (["-failure-rate=nan"], "-failure-rate: 'nan' is no number"),
        (["-count=-1"], "-count: '-1' is no whole number"),
        (["-count", "²"], "-count: '²' is no whole number"),
        (["addr"], "'addr' is no flag"),
        (["--"], "'--' is no flag"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_flags(Flags, arguments)
    assert str(caught.value) == said


@pytest.mark.parametrize("argument", ["-h", "--help", "-help"])
def test_help_is_asked_for_in_either_spelling(argument: str) -> None:
    with pytest.raises(HelpAsked):
        read_flags(Flags, ["-addr=:1", argument])


def test_usage_says_each_flag_with_its_default() -> None:
    assert usage(Flags).split("\n")[0].split() == ["-addr", "where", "(default", ":7777)"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "usage: weir demo APP"),
        (["help"], 0, "usage: weir demo APP"),
        (["hello", "-help"], 0, "-failure-rate"),
        (["load", "-help"], 0, "(default 10s)"),
        (["helo"], 2, "no app 'helo'; did you mean hello?"),
        (["xyz"], 2, "one of helloworld, hello, world, api, echo, load"),
        (["world", "-text"], 2, "weir demo world: flag -text needs a value"),
        (["world", "-latency=5"], 2, "-latency: '5' is no duration"),
        (["world", "-latency=11s"], 1, "latency 11s is longer than 10s"),
        (["world", "-failure-rate=1.5"], 1, "failure-rate must be between 0.0 and 1.0"),
        (["world", "-protocol=grpc"], 1, "unsupported protocol: grpc"),
        (["echo", "-addr=7777"], 1, "'7777' is no address"),
        (["echo", "-addr=::1:7777"], 1, "write [::1]:7777"),
        (["echo", "-addr=192.0.2.1:0"], 1, "listen on 192.0.2.1:0: cannot assign requested"),
        (["load", "-url=https://x"], 2, "-url must begin with http://"),
        (["load", "-url=http://x/ä"], 2, "not ASCII"),
        (["load", "-url=http://x:99999/"], 2, "-url: Port out of range"),
        (["load", "-url=http://x", "-concurrency=0"], 2, "-concurrency must be 1 to 10000"),
        (["load", "-url=http://x", "-rate=-1"], 2, "must be positive"),
    ],
)
def test_the_command_answers_in_one_place_with_a_status(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, {}) == status
    out, err = capsys.readouterr()
    assert said in (err if status else out)
    if status and arguments:
        assert err.count("\n") == 1
