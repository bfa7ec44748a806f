"""csmsd for pytest: the fixtures `csms`, `station`, `fleet`, `journal` and `clock`, and `--csmsd-plugin`.

pytest reads this module in every project of an environment that has csmsd, so nothing is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from csmsd.testing.contract.subject import Subject

_MARKER = (
    "csmsd(**settings): of the csmsd in the fixture `csms`: `plugins`, and fields of csmsd.Config such as `plugin`, the"
    " plugins' tables"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Called by pytest."""
    group = parser.getgroup("csmsd", "csmsd, the charging station management system")
    group.addoption(
        "--csmsd-plugin",
        action="append",
        default=[],
        metavar="NAME_OR_PATH",
        help="Check this plugin's contract with csmsd: a name, package:Class, or a project's folder. May be repeated.",
    )
    group.addoption(
        "--csmsd-postgres",
        default="",
        metavar="URL",
        help="Also try its migrations on this PostgreSQL server; databases are made there, and dropped.",
    )
    group.addoption(
        "--csmsd-config",
        default="",
        metavar="FILE",
        help="Settings in TOML for the plugins that are checked: their tables [plugin.<name>].",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Called by pytest."""
    config.addinivalue_line("markers", _MARKER)
    if find_spec("pytest_trio") is not None:
        from csmsd.testing import fixtures

        config.pluginmanager.register(fixtures, "csmsd fixtures")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """The checks come before the other tests, so that -k and -m choose among them, too."""
    named = cast("list[str]", config.getoption("--csmsd-plugin"))
    if named:
        items[:0] = [item for name in named for item in _checks_of(session, config, name)]


def _checks_of(session: pytest.Session, config: pytest.Config, name_or_path: str) -> Iterator[pytest.Item]:
    from csmsd.errors import PluginError
    from csmsd.testing.contract import CHECKS
    from csmsd.testing.contract.subject import find_plugin, subject_of

    postgres = cast("str", config.getoption("--csmsd-postgres"))
    try:
        plugin = find_plugin(name_or_path)
        subject = subject_of(plugin, config=_table_of(config, plugin.name), postgres=postgres)
    except PluginError as error:
        raise pytest.UsageError(f"--csmsd-plugin {name_or_path}: {error}") from error
    make = cast("Callable[..., pytest.Item]", getattr(CheckItem, "from_parent"))  # noqa: B009 -- pytest's has no types
    for check in CHECKS:
        yield make(session, name=f"{subject.name}::{check}", subject=subject, check=check)


def _table_of(config: pytest.Config, plugin: str) -> dict[str, Any]:
    import tomllib
    from pathlib import Path

    file = cast("str", config.getoption("--csmsd-config"))
    if not file:
        return {}
    try:
        settings = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise pytest.UsageError(f"--csmsd-config {file}: {error}") from error
    table: dict[str, Any] = settings.get("plugin", {}).get(plugin, {})
    return table


class PluginContractBroken(Exception):
    """What a check has found, one sentence a line."""


class CheckItem(pytest.Item):
    """One check of one plugin, as a test."""

    def __init__(self, *, subject: Subject, check: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # pyright: ignore[reportUnknownMemberType]  # pytest's is without types
        self.subject, self.check = subject, check
        self.obj = self.runtest  # pytest-trio looks at every item's function

    def runtest(self) -> None:
        """Called by pytest."""
        from csmsd.testing.contract import run_check

        findings = run_check(self.check, self.subject)
        if findings:
            raise PluginContractBroken("\n".join(finding.sentence for finding in findings))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Sentences, not a traceback through csmsd."""
        if isinstance(excinfo.value, PluginContractBroken):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Where it comes from, and what it is."""
        return "csmsd", None, f"{self.subject.name}: {self.check}"
