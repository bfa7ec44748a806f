"""The import contracts of pyproject.toml hold, and each goes red when it is broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.conftest import ROOT

SOURCES = ("core", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("plugins/*"))))
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]
# Contract, file, import that it must not contain.
VIOLATIONS = (
    ("The machinery is private", "plugins/core/csmsd_core/clock.py", "csmsd._kernel.walk"),
    ("The machinery is private", "plugins/web/csmsd_web/paging.py", "csmsd._kernel.walk"),
    ("The kernel never imports a plugin", "core/csmsd/env.py", "csmsd_core"),
    ("The kernel never imports a plugin", "core/csmsd/_kernel/walk.py", "csmsd_web"),
    ("The protocol core does no I/O", "core/csmsd/ocpp/frames.py", "trio"),
    ("The protocol core does no I/O", "core/csmsd/ocpp/session.py", "time"),
    ("The kernel is layered", "core/csmsd/ocpp/types.py", "csmsd.env"),
    ("The kernel is layered", "core/csmsd/station.py", "csmsd.host"),
    ("The kernel is layered", "core/csmsd/_kernel/journal.py", "csmsd.cli.output"),
    ("The kernel is layered", "core/csmsd/client.py", "csmsd.store"),
    ("The Core profile knows no other plugin", "plugins/core/csmsd_core/flags.py", "csmsd_web.paging"),
    ("Profiles are independent of each other", "plugins/web/csmsd_web/front.py", "csmsd_trigger"),
    ("Nobody needs the pages", "plugins/web/csmsd_web/paging.py", "csmsd_ui"),
    ("The web plugin and the Core profile do not know each other", "plugins/web/csmsd_web/sse.py", "csmsd_core.flags"),
)


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the sources below `root` against the contracts there."""
    script = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(str(root / source) for source in SOURCES), "COLUMNS": "200"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said about a copy in which every contract is violated."""
    root = tmp_path_factory.mktemp("broken")
    shutil.copy(ROOT / "pyproject.toml", root)
    for source in SOURCES:
        shutil.copytree(ROOT / source, root / source, ignore=shutil.ignore_patterns("__pycache__"))
    for _, file, imported in VIOLATIONS:
        with (root / file).open("a", encoding="utf-8") as text:
            text.write(f"\nimport {imported}\n")
    done = lint(root)
    assert done.returncode == 1, done.stderr
    return done.stdout


def test_the_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in done.stdout


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_contract_can_go_red(name: str, broken: str) -> None:
    assert f"{name} BROKEN" in broken


@pytest.mark.parametrize(("name", "file", "imported"), VIOLATIONS)
def test_each_violation_is_named(name: str, file: str, imported: str, broken: str) -> None:
    importer = file.removesuffix(".py").replace("/", ".")
    for source in SOURCES:
        importer = importer.removeprefix(f"{source.replace('/', '.')}.")
    section = broken.partition("Broken contracts")[2].partition(f"\n{name}\n")[2]
    assert f"{importer} -> {imported}" in section
