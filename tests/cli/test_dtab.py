"""`weir dtab`: explain, lint, diff, version and fmt, as they are typed."""

import json
from pathlib import Path as File

import pytest
from typer.testing import CliRunner

from weir.commands.dtab import app


@pytest.fixture
def folder(tmp_path: File) -> File:
    (tmp_path / "disco").mkdir()
    (tmp_path / "disco" / "web").write_text("10.0.0.1 80\n")
    (tmp_path / "base.dtab").write_text(
        "# all services\n/svc => /#/io.l5d.fs ; # files\n/svc/old => /svc/web ;\n# the end\n"
    )
    (tmp_path / "bad.dtab").write_text("/a => /b ;\n/c = > /d\n")
    (tmp_path / "names").write_text("# names\n/svc/web\n\n/svc/old\n")
    return tmp_path


def weir(folder: File, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [word.replace("@", f"{folder}/") for word in words])
    return result.exit_code, result.stdout, result.stderr


def test_explain_names_the_file_and_line(folder: File) -> None:
    code, out, _ = weir(folder, "explain", "/svc/old/x", "--dtab", "@base.dtab", "--fs", "@disco")
    assert code == 0
    assert f"at {folder}/base.dtab:3:1" in out
    assert out.endswith("/svc/old/x is bound to </#/io.l5d.fs/web|/x>\n")


def test_explain_writes_the_delegator_tree(folder: File) -> None:
    code, out, _ = weir(
        folder, "explain", "/svc/web", "--local", "/svc/web => !", "--dtab", "@base.dtab", "--json"
    )
    assert code == 0
    assert [part["type"] for part in json.loads(out)["alt"]] == ["fail", "neg"]


def test_a_loop_fails_explain_by_name(folder: File) -> None:
    code, _, err = weir(folder, "explain", "/a", "--local", "/a => /a")
    assert code == 1
    assert err == "/a: Max recursion level: 100 reached in Namer lookup\n"


def test_lint_fails_when_it_finds_something(folder: File) -> None:
    assert weir(folder, "lint", "@base.dtab")[0] == 0
    (folder / "odd.dtab").write_text("/a => /gone\n")
    code, out, err = weir(folder, "lint", "@odd.dtab", "--json")
    assert code == 1
    assert [(f["code"], f["line"], f["col"]) for f in json.loads(out)] == [("never-binds", 1, 1)]
    assert err == f"1 finding in {folder}/odd.dtab\n"
    assert "never-binds: /gone can never bind" in weir(folder, "lint", "@odd.dtab")[1]


def test_diff_lists_what_moves(folder: File) -> None:
    (folder / "new.dtab").write_text("/svc => /#/io.l5d.fs ;\n/svc/old => /svc/new ;\n")
    words = ("diff", "@base.dtab", "@new.dtab", "--names", "@names")
    code, out, err = weir(folder, *words)
    assert code == 0
    assert out == (
        "/svc/old  1 of its traffic moves\n  was /#/io.l5d.fs/web\n  is  /#/io.l5d.fs/new\n"
    )
    assert err == "1 of 2 names go elsewhere\n"
    (move,) = json.loads(weir(folder, *words, "--json", "--fs", "@disco")[1])
    assert move["after"]["shares"] == [{"id": None, "residual": None, "share": 1.0}]


def test_version_is_what_spans_call_a_table(folder: File) -> None:
    (folder / "one.dtab").write_text("# a table\n/a => /b ;\n")
    assert weir(folder, "version", "@one.dtab")[1] == "e6ce6239\n"
    assert weir(folder, "version", "@one.dtab", "--json")[1] == '{"version": "e6ce6239"}\n'
    (folder / "bad.dtab").write_text("/a => ")
    assert weir(folder, "version", "@bad.dtab")[0] == 1


def test_fmt_aligns_and_keeps_comments(folder: File) -> None:
    wanted = (
        "# all services\n/svc      => /#/io.l5d.fs ; # files\n/svc/old  => /svc/web ;\n# the end\n"
    )
    assert weir(folder, "fmt", "@base.dtab")[1] == wanted
    code, out, err = weir(folder, "fmt", "@base.dtab", "--write")
    assert (code, out) == (0, "")
    assert err == f"{folder}/base.dtab: rewritten\n"
    assert (folder / "base.dtab").read_text() == wanted
    assert weir(folder, "fmt", "@base.dtab", "--write")[2] == ""
    assert json.loads(weir(folder, "fmt", "@base.dtab", "--json")[1])[0]["prefix"] == "/svc"


def test_fmt_refuses_to_round_a_weight(folder: File) -> None:
    (folder / "fine.dtab").write_text("/a => 0.005*/b & /c")
    code, out, err = weir(folder, "fmt", "@fine.dtab", "--write")
    assert (code, out) == (1, "")
    assert "more than two decimals" in err
    assert (folder / "fine.dtab").read_text() == "/a => 0.005*/b & /c"


@pytest.mark.parametrize("command", [("lint",), ("fmt",), ("explain", "/x", "--dtab")])
def test_a_bad_table_is_shown_with_a_caret(folder: File, command: tuple[str, ...]) -> None:
    code, _, err = weir(folder, *command, "@bad.dtab")
    assert code == 1
    assert err == f"{folder}/bad.dtab:2:5: '>' expected but ' ' found\n  /c = > /d\n      ^\n"


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "svc"),
        ("explain", "/svc", "--local", "nonsense"),
        ("explain", "/svc", "--fs", "@none"),
        ("explain", "/svc", "--dtab", "@none"),
        ("lint", "@none"),
        ("diff", "@base.dtab", "@base.dtab", "--names", "@bad.dtab"),
        ("lint",),
        ("nonsense",),
    ],
)
def test_misuse_is_told_without_a_traceback(folder: File, words: tuple[str, ...]) -> None:
    code, out, err = weir(folder, *words)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err
