"""The dentries that led to a client, and a table's version."""

import pytest

from dtab import read_dtab, read_path, version
from naming.interpreter import ConfiguredInterpreter
from naming.trail import trail
from tests.kits.tables import TableNamer

TABLE = read_dtab("""
/srv => /#/fs ;
/host => /srv ;
/host/world => 8 * /srv/world-v1 & 2 * /srv/world-v2 ;
/svc => /gone | /host ;
""")
INTERPRETER = ConfiguredInterpreter(
    [
        TableNamer(
            read_path("/#/fs"),
            [
                {"match": "/world-v1", "gives": "bound"},
                {"match": "/world-v2", "gives": "bound"},
                {"match": "/hello", "gives": "bound"},
            ],
        )
    ]
)


@pytest.mark.parametrize(
    ("service", "client", "told"),
    [
        ("/svc/hello", "/#/fs/hello", "/svc=>/gone | /host;/host=>/srv;/srv=>/#/fs"),
        (
            "/svc/world",
            "/#/fs/world-v2",
            "/svc=>/gone | /host;/host/world=>8.00*/srv/world-v1 & 2.00*/srv/world-v2;/srv=>/#/fs",
        ),
        ("/svc/hello", "/#/fs/other", ""),
        ("/svc/nobody", "/#/fs/nobody", ""),
        ("/#/fs/hello", "/#/fs/hello", ""),
    ],
)
def test_a_trail_is_the_dentries_that_led_to_the_client(
    service: str, client: str, told: str
) -> None:
    assert trail(INTERPRETER, TABLE, read_path(service), read_path(client)) == told


def test_a_trail_is_itself_a_table_that_leads_there() -> None:
    service, client = read_path("/svc/world"), read_path("/#/fs/world-v1")
    told = trail(INTERPRETER, TABLE, service, client)
    assert trail(INTERPRETER, read_dtab(told), service, client) == told


def test_a_very_long_trail_keeps_whole_dentries_from_its_beginning() -> None:
    steps = [f"/{'x' * 30}{number} => /{'x' * 30}{number + 1}" for number in range(40)]
    table = read_dtab("; ".join([*steps, f"/{'x' * 30}40 => /#/fs/hello"]))
    told = trail(INTERPRETER, table, read_path(f"/{'x' * 30}0"), read_path("/#/fs/hello"))
    assert 900 < len(told) <= 1_000
    assert list(read_dtab(told)) == list(table)[: len(list(read_dtab(told)))]


def test_a_version_is_the_same_for_the_same_table_however_it_is_written() -> None:
    assert version(read_dtab("/a=>/b")) == version(read_dtab(" /a  =>  /b ; ")) == "e6ce6239"
    assert version(read_dtab("/a=>/b")) != version(read_dtab("/a=>/c"))
    assert version(read_dtab("/a=>/b;/c=>/d")) != version(read_dtab("/c=>/d;/a=>/b"))
