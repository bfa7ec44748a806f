#!/usr/bin/env python3
"""Write constraints.txt: the exact versions of csmsd's dependencies, extras included, as this environment has them.

Run it in the environment whose tests have passed: `.venv/bin/python scripts/pin.py`; `--check` writes nothing and
fails if the file misses a dependency. Only names and versions go in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "constraints.txt"
_NAME = re.compile(r"^[A-Za-z0-9._-]+")
_EXTRAS = re.compile(r"^[A-Za-z0-9._-]+\s*\[([^\]]*)\]")
_OF_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_HEADER = "# Written by scripts/pin.py: the versions csmsd was tested with.\n"


def main() -> int:
    """Exit status."""
    pins = closure("csmsd", {"dev", "mqtt", "postgres"})
    if "--check" not in sys.argv[1:]:
        FILE.write_text(_HEADER + "".join(f"{name}=={pins[name]}\n" for name in sorted(pins)), encoding="utf-8")
        return 0
    pinned = {line.partition("==")[0] for line in FILE.read_text(encoding="utf-8").splitlines() if "==" in line}
    missing = sorted(set(pins) - pinned)
    if missing:
        sys.stderr.write(f"constraints.txt does not pin {', '.join(missing)}: run scripts/pin.py\n")
    return 1 if missing else 0


def closure(project: str, extras: set[str]) -> dict[str, str]:
    """Versions by canonical name of everything that the project needs here, itself excluded."""
    found: dict[str, str] = {}
    waiting = [(project, frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform or Python, else pip would have installed it
        if name != project:
            found[name] = package.version
        waiting += needs(package.requires or (), wanted)
    return found


def needs(requirements: list[str] | tuple[()], extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """The requirements in force with these extras: canonical name and extras of their own."""
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        of_extra = _OF_EXTRA.search(marker)
        if of_extra and of_extra[1] not in extras:
            continue
        name = _NAME.match(text.strip())
        own = _EXTRAS.match(text.strip())
        if name:
            yield canonical(name[0]), frozenset(one.strip() for one in own[1].split(",")) if own else frozenset()


def canonical(name: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
