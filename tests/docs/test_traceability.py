"""Each requirement of this release has a test, and the table of who proves what is right."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import ModuleType

import pytest

from tests.docs.pages import ROOT

SCRIPT = ROOT / "scripts" / "traceability.py"
GENERATED = "docs/traceability.md is stale: make docs"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("traceability", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["traceability"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_row_is_proven_and_the_page_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr


def test_rows_are_complete(script: ModuleType) -> None:
    rows = script.read_rows()
    assert len(rows) > 500
    for row in rows.values():
        assert row.level.rstrip("†") in {"SHALL", "SHOULD", "MAY"}
        assert row.release in {"first", "later"}
        assert row.title
        assert row.capability


@pytest.mark.parametrize(
    ("tests", "complaint"),
    [
        (
            {"A-1": ["tests/a.py::test_a"], "Z-9": ["tests/z.py::test_z"]},
            "rows that do not exist: Z-9 (tests/z.py::test_z)",
        ),
        ({}, "rows without a test: A-1"),
    ],
)
def test_what_is_wrong_is_said(script: ModuleType, tests: dict[str, list[str]], complaint: str) -> None:
    rows = {
        "A-1": script.Row("A-1", "SHALL†", "core", "first", "Needs one"),
        "A-2": script.Row("A-2", "SHOULD", "core", "first", "Needs none"),
        "A-3": script.Row("A-3", "SHALL", "security", "later", "Needs one later"),
    }
    [found] = script.complaints(rows, tests, script.page(rows, tests))
    assert complaint in found
    assert GENERATED in script.complaints(rows, tests, "")
