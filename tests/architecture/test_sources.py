"""Rules for sources that no linter knows."""

from __future__ import annotations

import ast
import re
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.conftest import ROOT

SHIPPED = sorted([*ROOT.glob("core/**/*.py"), *ROOT.glob("plugins/**/*.py")])
TESTS = sorted([*ROOT.glob("tests/**/*.py"), *ROOT.glob("examples/**/*.py"), *ROOT.glob("scripts/*.py")])
TEXTS = sorted(
    path
    for pattern in ("*", ".ci/*", "core/**/*", "plugins/**/*", "tests/**/*", "docs/**/*", "examples/**/*", "scripts/*")
    for path in ROOT.glob(pattern)
    if path.suffix in {"", ".md", ".py", ".toml", ".csv", ".txt", ".js", ".html", ".css"}
    and path.is_file()
    and not {"__pycache__", "vendor", "node_modules"}.intersection(path.parts)
)

LONG, TOO_LONG = 400, 500  # lines
# Places of the machine csmsd is developed on; written apart, so that this file does not contain them.
PLACES = re.compile("|".join(("/" + "work/", "/" + "tmp/helpers", "bash" + "_jobs", "/" + "root/")))
# Env is where time, ids and chance come from (they can be replaced in tests); these may use the real ones.
CHANCE = re.compile(
    r"time\.(time|time_ns)|(datetime\.)?datetime\.(now|utcnow)|random\.\w+|(uuid\.)?uuid[14]|secrets\.(token_\w+|randbelow|choice)"
)
SOURCES_OF_CHANCE = {"core/csmsd/env.py"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def comments(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_no_module_is_too_long_to_read(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= TOO_LONG, f"{lines} lines: split it by concern"


def test_few_modules_are_long() -> None:
    long = [name_of(path) for path in SHIPPED if len(path.read_text(encoding="utf-8").splitlines()) > LONG]
    assert len(long) <= len(SHIPPED) // 50, f"modules over {LONG} lines: {', '.join(long)}"


def test_no_text_knows_where_it_was_written() -> None:
    found = [name_of(path) for path in TEXTS if PLACES.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert not found


def test_the_kernel_takes_time_ids_and_chance_from_env() -> None:
    found: list[str] = []
    for path in SHIPPED:
        if not name_of(path).startswith("core/csmsd/") or name_of(path) in SOURCES_OF_CHANCE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute | ast.Name) and CHANCE.fullmatch(ast.unparse(node)):
                found.append(f"{name_of(path)}:{node.lineno} {ast.unparse(node)}")
    assert not found


@pytest.mark.parametrize("text", ["time.time", "random.random", "uuid4", "datetime.now", "secrets.token_hex"])
def test_chance_is_recognised(text: str) -> None:
    assert CHANCE.fullmatch(text)


def test_marks_for_click_are_no_letters() -> None:
    """In a raw docstring the mark that keeps lines as they are would be shown as two letters."""
    found = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in SHIPPED
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and "\\b\n" in (ast.get_docstring(node) or "")
    ]
    assert not found


def test_every_exception_to_the_type_checkers_has_a_reason() -> None:
    bare = re.compile(r"#\s*(type|pyright):\s*ignore(\[[\w, -]+\])?\s*$")
    found = [
        f"{name_of(path)}:{line}" for path in (*SHIPPED, *TESTS) for line, text in comments(path) if bare.search(text)
    ]
    assert not found


def test_no_test_is_skipped_without_a_reason() -> None:
    found: list[str] = []
    for path in TESTS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "xfail"}:
                found += [f"{name_of(path)}:{node.lineno}"] if not _has_reason(node, path) else []
    assert not found


def _has_reason(node: ast.Attribute, path: Path) -> bool:
    """`pytest.skip("why")`, `@pytest.mark.skipif(..., reason="why")`."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(call, ast.Call)
            and call.func.lineno == node.lineno
            and ast.unparse(call.func) == ast.unparse(node)
        ):
            is_mark = ".mark." in ast.unparse(node)
            return any(keyword.arg == "reason" for keyword in call.keywords) or (not is_mark and bool(call.args))
    return False


def test_sources_are_valid_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in (*SHIPPED, *TESTS):
            compile(path.read_text(encoding="utf-8"), str(path), "exec")
