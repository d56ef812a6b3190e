"""Run one bench: `python -m bench NAME [--brief]`. Each is a module here with `main(argv)`."""

import sys
from importlib import import_module
from pathlib import Path


def main(argv: list[str]) -> int:
    """0 if the bench ran, 1 if it missed a goal that it checks, 2 if there is no such bench."""
    here = Path(__file__).parent
    names = sorted(file.stem for file in here.glob("*.py") if not file.stem.startswith("_"))
    if not argv or argv[0] not in names:
        sys.stderr.write(f"usage: python -m bench {{{'|'.join(names)}}} [--brief]\n")
        return 2
    result: int | None = import_module(f"bench.{argv[0]}").main(argv[1:])
    return result or 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
