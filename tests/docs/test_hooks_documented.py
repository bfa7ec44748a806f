"""docs/hooks.md says what the specs say: the same signatures, colours and words."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from csmsd import hookspecs

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
MODULES = [hookspecs]  # a plugin's specs join when its hooks are described there


def _specs(module: ModuleType) -> Iterator[tuple[str, str, str, str]]:
    """Name, signature as written, colour and docstring of each hook."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
            returns = ast.unparse(node.returns) if node.returns else ""
            prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            signature = f"{prefix} {node.name}({ast.unparse(node.args)}) -> {returns}"
            function = getattr(module, node.name)
            yield node.name, signature, getattr(function, hookspecs.COLOUR_ATTRIBUTE), inspect.getdoc(function) or ""


SPECS = [spec for module in MODULES for spec in _specs(module)]
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^### |\Z)", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize(("name", "signature", "colour", "doc"), SPECS, ids=[spec[0] for spec in SPECS])
def test_the_hook_is_described_as_it_is(name: str, signature: str, colour: str, doc: str) -> None:
    section = SECTIONS[name]
    assert f"```python\n{signature}\n```" in section
    assert f"Colour: **{colour}**." in section
    assert " ".join(doc.split()) in " ".join(section.split())


def test_no_hook_is_described_that_does_not_exist() -> None:
    assert SECTIONS.keys() == {name for name, *_ in SPECS}


@pytest.mark.parametrize(("name", "doc"), [(spec[0], spec[3]) for spec in SPECS], ids=[spec[0] for spec in SPECS])
def test_the_hook_has_a_manual(name: str, doc: str) -> None:
    assert len(doc.split()) > 8
