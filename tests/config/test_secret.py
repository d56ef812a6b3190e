"""Secrets: where they come from, and that nothing shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import ConfigError, Model, Secret, load

if TYPE_CHECKING:
    from pathlib import Path


class Store(Model):
    password: Secret | None = None
    port: int = 0


def stored(text: str) -> str | None:
    return load(Store, f"password: {text}", source="x", env={"TOKEN": "s3cret"}).password


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_a_text_or_the_content_of_a_file(tmp_path: Path, end: str) -> None:
    (tmp_path / "token").write_bytes(b"s3cret" + end.encode())
    assert stored(f"{{file: {tmp_path}/token}}") == "s3cret"
    assert stored("s3cret") == "s3cret"
    assert stored("${TOKEN}") == "s3cret"


def test_dumps_and_reprs_do_not_show_a_secret() -> None:
    store = load(Store, "password: s3cret", source="x")
    assert "s3cret" not in f"{store!r} {store}"
    assert store.model_dump() == {"password": "**********", "port": 0}
    assert "s3cret" not in store.model_dump_json()


@pytest.mark.parametrize(
    "text", ["[s3cret]", "{fiel: s3cret}", "{file: s3cret, b: s3cret}", "s3cret" * 100]
)
def test_a_secret_that_is_refused_is_not_echoed(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Store, f"password: {text}", source="x")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.path) == (1, 11, "password")
    assert "s3cret" not in str(caught.value)


def test_a_secret_under_a_misspelt_key_is_not_echoed() -> None:
    with pytest.raises(ConfigError, match="did you mean password") as caught:
        load(Store, "pasword: s3cret", source="x")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent", None, "absent cannot be read: No such file or directory"),
        ("binary", b"\xff\xfe", "binary cannot be read: it is no UTF-8 text"),
        ("large", b"x" * 513, "large must have 1 to 512 characters"),
        ("larger", b"x" + "é".encode() * 2_000, "larger must have 1 to 512 characters"),
        ("empty", b"\n", "empty must have 1 to 512 characters"),
    ],
)
def test_a_file_that_holds_no_secret_says_why(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        stored(f"{{file: {tmp_path}/{name}}}")
