from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import ConfigError, Model, SecretMissing, SecretRef, load

if TYPE_CHECKING:
    from pathlib import Path


class Store(Model):
    password: SecretRef | None = None


def stored(text: str) -> SecretRef:
    password = load(Store, f"password: {text}", source="x").password
    assert password is not None
    return password


def test_a_secret_is_read_from_its_file_or_variable(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    assert stored(f"file:{tmp_path}/token").reveal({}) == "s3cret"
    assert stored("env:TOKEN").reveal({"TOKEN": "s3cret"}) == "s3cret"


def test_repr_str_and_dumps_do_not_say_where_a_secret_is() -> None:
    store = load(Store, "password: file:/run/s3cret", source="x")
    shown = [repr(store), str(store.password), repr(store.model_dump()), store.model_dump_json()]
    assert not [text for text in (*shown, f"{store.password}") if "s3cret" in text]


@pytest.mark.parametrize("text", ["s3cret", "1234567", "[s3cret]", "env:s3cret 1", "'file:'"])
def test_a_secret_written_in_place_of_its_reference_is_not_echoed(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Store, f"password: {text}", source="x")
    (problem,) = caught.value.problems
    assert problem.message == "wanted where the secret is kept, not the secret itself"
    assert "s3cret" not in str(caught.value)
    assert "1234567" not in str(caught.value)


def test_a_secret_under_a_misspelt_key_is_not_echoed() -> None:
    with pytest.raises(ConfigError, match="did you mean password") as caught:
        load(Store, "pasword: s3cret", source="x")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent", None, "No such file or directory"),
        ("binary", b"\xff\xfe", "it is no UTF-8 text"),
        ("large", b"x" * 65_537, "larger than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_says_why(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SecretMissing, match=reason):
        stored(f"file:{tmp_path}/{name}").reveal({})


def test_a_variable_that_is_not_set_says_its_name() -> None:
    with pytest.raises(SecretMissing, match="the variable TOKEN is not set"):
        stored("env:TOKEN").reveal({})
