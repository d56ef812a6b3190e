"""Run recorded vectors: `python -m tests.vectors KIND FOLDER`.

Each kind is a module with `run(folder) -> (passed, failed)`, which prints its failures.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Final

KINDS: Final = {kind: f"tests.vectors.{kind}" for kind in ("dtab", "linkerd", "zipkin")}
USAGE: Final = f"usage: python -m tests.vectors {{{'|'.join(KINDS)}}} FOLDER"


def main(argv: list[str]) -> int:
    """0 if all vectors pass, 1 if one fails, 2 if the command cannot be understood."""
    if len(argv) != 2 or argv[0] not in KINDS:
        sys.stderr.write(USAGE + "\n")
        return 2
    folder = Path(argv[1])
    if not folder.is_dir():
        sys.stderr.write(f"{folder} is no folder; name one that holds *.json vector files\n")
        return 2
    passed, failed = import_module(KINDS[argv[0]]).run(folder)
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
