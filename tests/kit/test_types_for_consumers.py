"""Whoever uses csmsd under mypy or pyright, both strict, is told of mistakes and of nothing else."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import csmsd
import csmsd.testing

CONSUMER = Path(__file__).parent / "consumer"
BIN = Path(sys.executable).parent
RIGHT, WRONG = CONSUMER / "right.py", CONSUMER / "wrong.py.txt"
pytestmark = pytest.mark.timeout(400)  # two type checkers read everything that csmsd needs
EXPECTED = {number for number, line in enumerate(WRONG.read_text().splitlines(), start=1) if line.endswith("  # wrong")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The consumer's project."""
    folder = tmp_path_factory.mktemp("consumer")
    shutil.copyfile(RIGHT, folder / "right.py")
    shutil.copyfile(WRONG, folder / "wrong.py")
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    return folder


def mypy(project: Path) -> set[tuple[str, int]]:
    """Where mypy sees errors: file and line."""
    command = [str(BIN / "mypy"), "--strict", "--no-error-summary", "--python-executable", sys.executable, "."]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=200)
    return {(file, int(line)) for file, line in re.findall(r"^(\w+\.py):(\d+): error", done.stdout, re.MULTILINE)}


def pyright(project: Path) -> set[tuple[str, int]]:
    """Where pyright sees errors: file and line."""
    command = [str(BIN / "pyright"), "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=200)
    found = [one for one in json.loads(done.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    return {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in found}


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_mistakes_are_type_errors_and_nothing_else_is(project: Path, checker: object) -> None:
    assert callable(checker)
    found = checker(project)
    assert {line for file, line in found if file == "right.py"} == set()
    assert {line for file, line in found if file == "wrong.py"} == EXPECTED


@pytest.mark.parametrize("module", [csmsd, csmsd.testing], ids=["csmsd", "csmsd.testing"])
def test_every_public_name_is_used_rightly(module: object) -> None:
    used = {node.id for node in ast.walk(ast.parse(RIGHT.read_text())) if isinstance(node, ast.Name)}
    assert set(getattr(module, "__all__")) <= used  # noqa: B009 -- either module


@pytest.mark.parametrize("module", [csmsd, csmsd.testing], ids=["csmsd", "csmsd.testing"])
def test_every_public_name_can_be_imported(module: object) -> None:
    for name in getattr(module, "__all__"):  # noqa: B009 -- either module
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        getattr(module, "nosuch")  # noqa: B009 -- there is none


def test_pytest_imports_nothing_of_csmsd_before_it_is_needed() -> None:
    """Else every project of an environment with csmsd would pay for it."""
    script = (
        "import csmsd.testing.pytest_plugin, sys; print(*sorted({'trio', 'sqlalchemy', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []
