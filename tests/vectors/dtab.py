"""The delegation vectors: each case is checked against everything that it expects."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path as File
from typing import Any, Final, TypeAlias

import dtab
from dtab import Dtab, DtabSyntaxError, NameTree, Path, WeightError, show
from naming.bind import bind
from naming.bound import Bound
from naming.delegate import delegate
from naming.delegation import Delegation
from naming.delegator import to_json
from naming.errors import InvalidName, MaxDepth, NamingError, StepsExceeded, UnknownNamer
from naming.namer import Namer
from naming.namers.rewrite import RewriteNamer
from naming.shares import shares
from naming.state import Failed, Ok, Pending, State
from naming.system import SYSTEM, SystemNamers
from tests.kits.tables import TableNamer, TableResolver, tree_from_json, tree_to_json

Case: TypeAlias = dict[str, Any]
Check: TypeAlias = Callable[[Case, Case], Case]

SHARE_TOLERANCE: Final = 1e-6
BASIC_PLANE_MAX: Final = 0xFFFF


def run(folder: File) -> tuple[int, int]:
    """Run every file of the folder, tell each failure, and count: passed, failed."""
    passed = failed = 0
    for file in sorted(folder.glob("*.json")):
        for name, problem in outcomes(file):
            if problem is None:
                passed += 1
            else:
                failed += 1
                sys.stdout.write(f"{file.name}: {name}: {problem}\n")
    return passed, failed


def outcomes(file: File) -> Iterator[tuple[str, str | None]]:
    """Each case's name, and what is wrong with it."""
    vectors = json.loads(file.read_text())
    checks = CHECKS[_kind(vectors)]
    for case in vectors["cases"]:
        try:
            problem = _compare(checks[case["op"]](case, vectors), case["expect"])
        except Exception as error:  # noqa: BLE001 - any error at all is this case's failure
            problem = f"{type(error).__name__}: {error}"
        yield case["name"], problem


def _kind(vectors: Case) -> str:
    """Which of the files this is, by what its cases do and expect, not by its name."""
    ops = {case["op"] for case in vectors["cases"]}
    if ops & {"bind", "lookup", "namer", "rewrite"}:
        return "naming"
    expected = vectors["schema"]["expect"]
    if "ast" in expected:
        return "tree"
    return "dtab" if "dentries" in expected else "path"


def _compare(got: Case, expected: Case) -> str | None:
    """Only what the case expects is compared; shares within the tolerance."""
    for key, want in expected.items():
        have = got.get(key)
        if key == "shares":
            if not _near(have, want):
                return f"shares are {have}, not {want}"
        elif key == "error":
            if have is None or any(have[part] != want[part] for part in want):
                return f"error is {have}, not {want}"
        elif have != want:
            return f"{key} is {json.dumps(have)}, not {json.dumps(want)}"
    if "error" in got and "error" not in expected:
        return f"unexpected error {got['error']}"
    return None


def _near(have: Any, want: Any) -> bool:
    def key(share: Case) -> str:
        return f"{share['id']} {share.get('residual')}"

    if have is None or len(have) != len(want):
        return False
    pairs = zip(sorted(have, key=key), sorted(want, key=key), strict=True)
    return all(
        key(a) == key(b) and abs(a["share"] - b["share"]) <= SHARE_TOLERANCE for a, b in pairs
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    template = value["template"]
    middle = "".join(
        template["each"].replace("{i}", str(number)) for number in range(template["count"])
    )
    return f"{template['before']}{middle}{template['after']}"


def _error(error: DtabSyntaxError) -> Case:
    if isinstance(error, WeightError):
        return {"error": {"expected": "number", "found": None, "at": None}}
    found: str | None = "end of input" if error.found is None else f"'{error.found}'"
    if error.found is not None and ord(error.found) > BASIC_PLANE_MAX:
        found = None  # the original met half of it, which no text can say
    return {"error": {"expected": error.expected, "found": found, "at": error.at}}


def _path_parse(case: Case, _: Case) -> Case:
    try:
        path = dtab.read_path(_text(case["in"]))
    except DtabSyntaxError as error:
        return _error(error)
    text = show(path)
    assert dtab.read_path(text) == path
    return {"elems": [label.hex() for label in path.labels], "show": text}


def _path_show(case: Case, _: Case) -> Case:
    return {"show": show(Path.of(*map(bytes.fromhex, case["elems"])))}


def _path_result(answer: Callable[[Case], Path | bool]) -> Check:
    def check(case: Case, _: Case) -> Case:
        result = answer(case)
        if isinstance(result, bool):
            return {"result": result}
        labels = [label.hex() for label in result.labels]
        return {"result": str(result), "show": str(result), "elems": labels}

    return check


def _tree(tree: NameTree[Path]) -> Case:
    values = dtab.evaluate(tree)
    return {
        "ast": tree_to_json(tree),
        "show": show(tree),
        "simplified": tree_to_json(dtab.simplify(tree)),
        "eval": None if values is None else sorted(map(str, values)),
    }


def _tree_parse(case: Case, _: Case) -> Case:
    try:
        return _tree(dtab.read_tree(_text(case["in"])))
    except DtabSyntaxError as error:
        return _error(error)


def _tree_equal(case: Case, _: Case) -> Case:
    a, b = dtab.read_tree(_text(case["a"])), dtab.read_tree(_text(case["b"]))
    assert a != b or hash(a) == hash(b)
    return {"equal": a == b, "equivalent": dtab.equivalent(a, b)}


def _table(table: Dtab) -> Case:
    return {
        "dentries": [{"prefix": str(d.prefix), "dst": tree_to_json(d.dst)} for d in table],
        "show": show(table),
        "count": len(table),
    }


def _dtab_parse(case: Case, _: Case) -> Case:
    try:
        return _table(dtab.read_dtab(_text(case["in"])))
    except DtabSyntaxError as error:
        return _error(error)


def _dtab_concat(case: Case, _: Case) -> Case:
    return _table(sum((dtab.read_dtab(_text(part)) for part in case["parts"]), Dtab()))


def _dtab_simplified(case: Case, _: Case) -> Case:
    return _table(dtab.simplify_dtab(dtab.read_dtab(_text(case["in"]))))


def _dtab_equal(case: Case, _: Case) -> Case:
    a, b = dtab.read_dtab(_text(case["a"])), dtab.read_dtab(_text(case["b"]))
    assert a != b or hash(a) == hash(b)
    return {"equal": a == b, "equivalent": dtab.equivalent_dtabs(a, b)}


def _prefix_parse(case: Case, _: Case) -> Case:
    try:
        prefix = dtab.read_prefix(_text(case["in"]))
    except DtabSyntaxError as error:
        return _error(error)
    elems = [elem.hex() if isinstance(elem, bytes) else "*" for elem in prefix.elems]
    return {"elems": elems, "show": str(prefix)}


def _prefix_matches(case: Case, _: Case) -> Case:
    return {"result": dtab.read_prefix(case["prefix"]).matches(dtab.read_path(case["path"]))}


def _lookup(case: Case, _: Case) -> Case:
    tree = dtab.read_dtab(_text(case["dtab"])).lookup(dtab.read_path(_text(case["path"])))
    return {"result": tree_to_json(tree), "show": show(tree)}


def _reason(error: NamingError) -> str:
    match error:
        case MaxDepth() | StepsExceeded():
            return "max-depth"
        case UnknownNamer():
            return "unknown-namer"
        case InvalidName():
            return "invalid"
        case _:
            return "namer"


def _state(state: State[NameTree[Any]]) -> Case:
    match state:
        case Ok(tree):
            got: Case = {"state": "ok", "tree": tree_to_json(tree)}
            if all(isinstance(value, Bound) for value in dtab.leafs(tree)):
                got["shares"] = [
                    {"id": None, "share": share}
                    if target is None
                    else {"id": str(target.id), "residual": str(target.residual), "share": share}
                    for target, share in shares(tree).items()
                ]
            for value in dtab.leafs(tree):
                addr = getattr(value, "addr", None)
                if addr is not None and isinstance(addr.state, Ok):
                    got["addrs"] = [str(e) for e in getattr(addr.state.value, "endpoints", ())]
            return got
        case Pending():
            return {"state": "pending"}
        case Failed(error):
            return {"state": "failed", "reason": _reason(error)}


def _bind(case: Case, vectors: Case) -> Case:
    table = dtab.read_dtab(_text(case["base"])) + dtab.read_dtab(_text(case.get("local", "")))
    namers: list[Namer] = [
        TableNamer(dtab.read_path(namer["prefix"]), namer["entries"])
        for namer in vectors["tables"][case["namers"]]
    ]
    namers.append(SystemNamers(TableResolver()))
    path = dtab.read_path(_text(case["path"]))
    got = _state(bind(path, table, namers).state)
    if "delegate" in case["expect"]:
        got["delegate"] = _delegation(delegate(path, table, namers).state)
    return got


def _delegation(state: State[Delegation]) -> Any:
    match state:
        case Ok(tree):
            return _without_addresses(to_json(tree))
        case Pending():
            return {"state": "pending"}
        case Failed(error):
            return {"error": _reason(error)}


def _without_addresses(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_addresses(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_addresses(part)
        for key, part in node.items()
        if key not in ("addr", "message")
    }


def _namer(case: Case, _: Case) -> Case:
    path = dtab.read_path(_text(case["in"]))
    if not path.starts_with(SYSTEM):
        return {"state": "ok", "tree": "neg"}
    return _asked(SystemNamers(TableResolver()), path.drop(1))


def _rewrite(case: Case, _: Case) -> Case:
    namer = RewriteNamer(Path.of("#", "rewrite"), case["pattern"], case["to"])
    return _asked(namer, dtab.read_path(_text(case["in"])))


def _asked(namer: Namer, path: Path) -> Case:
    try:
        return _state(namer.lookup(path).state)
    except NamingError as error:
        return {"state": "failed", "reason": _reason(error)}


CHECKS: Final[dict[str, dict[str, Check]]] = {
    "path": {
        "parse": _path_parse,
        "show": _path_show,
        "starts_with": _path_result(
            lambda case: dtab.read_path(case["path"]).starts_with(dtab.read_path(case["prefix"]))
        ),
        "drop": _path_result(lambda case: dtab.read_path(case["path"]).drop(case["n"])),
        "take": _path_result(lambda case: dtab.read_path(case["path"]).take(case["n"])),
        "concat": _path_result(lambda case: dtab.read_path(case["a"]) + dtab.read_path(case["b"])),
        "equal": _path_result(lambda case: dtab.read_path(case["a"]) == dtab.read_path(case["b"])),
    },
    "tree": {
        "parse": _tree_parse,
        "ast": lambda case, _: _tree(tree_from_json(case["ast_in"])),
        "equal": _tree_equal,
    },
    "dtab": {
        "parse": _dtab_parse,
        "count": _dtab_parse,
        "concat": _dtab_concat,
        "simplified": _dtab_simplified,
        "equal": _dtab_equal,
        "prefix_parse": _prefix_parse,
        "prefix_matches": _prefix_matches,
    },
    "naming": {"lookup": _lookup, "bind": _bind, "namer": _namer, "rewrite": _rewrite},
}
