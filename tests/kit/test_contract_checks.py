"""Each check of a plugin's contract goes red for a plugin with that fault, and says so in a sentence that helps."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from csmsd import Migrations, NoConfig, Plugin
from csmsd.testing import CHECKS, assert_plugin_ok, check_plugin
from csmsd.testing.contract import Finding, run_check
from csmsd.testing.contract.subject import subject_of
from tests.conftest import Cluster
from tests.kit import bad_plugins as bad

NEEDED = {"authorizer": {"allow_all": True}}  # settings that a plugin cannot do without
BUILT_IN = {entry.name: entry for entry in entry_points(group="csmsd.plugins") if entry.value.startswith("csmsd_")}

FAULTS: list[tuple[type[Plugin[Any]], str, str]] = [
    (bad.NamelessPlugin, "declaration", "needs a name of lower-case letters and digits"),
    (bad.FuturePlugin, "declaration", "is written for plugin API 99, this csmsd has 1: upgrade csmsd"),
    (bad.LonelyPlugin, "declaration", "bad requires the plugin nosuch"),
    (bad.SilentPlugin, "declaration", "bad has no docstring"),
    (bad.TersePlugin, "configuration", "plugin.bad.pause has no help text"),
    (bad.OpenPlugin, "configuration", "OpenConfig takes unknown keys"),
    (bad.OpenPlugin, "configuration", "OpenConfig is not frozen"),
    (bad.DemandingPlugin, "configuration", "bad cannot do without settings"),
    (bad.WrongColourPlugin, "colours", "bad: station_connected must be async def"),
    (bad.WrongColourWithoutOwnerPlugin, "colours", "bad: web_routes must be a plain def"),
    (bad.MisspeltPlugin, "colours", "no enabled plugin publishes a hook station_conected; the nearest is"),
    (bad.PresumingPlugin, "colours", "no enabled plugin publishes a hook connector_status_changed"),
    (bad.OneShotPlugin, "starts_and_stops", "bad cannot be enabled while csmsd runs: bad cannot be created"),
    (bad.StumblingPlugin, "starts_and_stops", "does not start and stop a second time on the same data"),
    (bad.ShieldedPlugin, "starts_and_stops", "takes over 60 s to disable: does `serve` end when it is cancelled?"),
    (bad.TaskLeakPlugin, "leaks", "the task bad's errand behind when it is disabled"),
    (bad.ThreadLeakPlugin, "leaks", "the thread bad's thread behind when it is disabled"),
    (bad.FileLeakPlugin, "leaks", "the file /dev/null behind when it is disabled"),
    (bad.DeafPlugin, "cancellation", "bad: station_connected goes on as if nothing were when it is cancelled"),
    (bad.StubbornPlugin, "cancellation", "bad: station_connected goes on for ever when it is cancelled"),
    (bad.RecolouringPlugin, "cancellation", "station_connected turns being cancelled into RuntimeError"),
    (bad.ShieldedPlugin, "cancellation", "bad: serve never ends when it is cancelled"),
    (bad.BlockingPlugin, "blocking", "bad: station_connected holds up every station"),
    (bad.PlainBlockingPlugin, "blocking", "bad: data_transfer holds up every station"),
    (bad.SlowServicePlugin, "blocking", "bad: serve holds up every station"),
]


def findings(check: str, plugin: type[Plugin[Any]], **options: Any) -> tuple[Finding, ...]:
    """What one check has to say."""
    return run_check(check, subject_of(plugin, **options))


@pytest.mark.parametrize(("plugin", "check", "sentence"), FAULTS, ids=[f"{f[0].__name__}-{f[1]}" for f in FAULTS])
def test_the_fault_is_found_and_explained(plugin: type[Plugin[Any]], check: str, sentence: str) -> None:
    assert any(sentence in found.sentence for found in findings(check, plugin)), findings(check, plugin)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert check_plugin(bad.HealthyPlugin) == ()
    assert_plugin_ok(bad.HealthyPlugin)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", BUILT_IN)
def test_what_is_built_in_keeps_the_contract(name: str, check: str) -> None:
    assert findings(check, BUILT_IN[name].load(), config=NEEDED.get(name)) == ()


def test_a_broken_plugin_fails_an_assertion_with_a_line_for_each_finding() -> None:
    with pytest.raises(AssertionError, match=r"declaration: bad has no docstring") as caught:
        assert_plugin_ok(bad.SilentPlugin)
    assert len(str(caught.value).splitlines()) == 1


def test_settings_that_a_plugin_needs_can_be_handed_in() -> None:
    assert check_plugin(bad.DemandingPlugin, config={"token": "t"}) == ()


# -- with tables ---------------------------------------------------------------------------------------------------

HEAD = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = {revision!r}, {before!r}, None, None
def upgrade():
"""
COUNT = 'op.create_table("bad_count", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))'
SEEN = 'op.create_table("bad_seen", sa.Column("fact_id", sa.BigInteger, primary_key=True, autoincrement=False))'


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable package without anything in it, for migrations."""
    folder = tmp_path / "bad_package"
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("bad_package", None)


def migrated(
    package: Path, base: type[Plugin[Any]], *revisions: str, metadata: sa.MetaData = bad.metadata
) -> type[Plugin[Any]]:
    """The plugin with these migrations."""
    before = None
    for number, code in enumerate(revisions, start=1):
        text = HEAD.format(revision=f"{number:04}", before=before) + textwrap.indent(code, "    ")
        (package / "migrations" / "versions" / f"{number:04}_step.py").write_text(text)
        before = f"{number:04}"
    members = {"migrations": Migrations("bad_package", metadata), "__doc__": "A plugin with tables."}
    return type(base.__name__, (base,), members)


class StoringPlugin(Plugin[NoConfig]):
    """Has tables, and does nothing with them."""

    name = "bad"


def test_a_fact_that_is_counted_twice_is_found(package: Path) -> None:
    [found] = findings("redelivery", migrated(package, bad.CountingPlugin, f"{COUNT}\n{SEEN}"))
    assert "bad: connector_status_changed changes bad_count again when a fact comes again" in found.sentence


def test_a_fact_that_fails_the_second_time_is_found(package: Path) -> None:
    [found] = findings("redelivery", migrated(package, bad.FragilePlugin, f"{COUNT}\n{SEEN}"))
    assert "bad: connector_status_changed raises when a fact comes again" in found.sentence


def test_sound_migrations_are_left_alone(package: Path) -> None:
    plugin = migrated(package, StoringPlugin, COUNT, SEEN)
    assert [findings(check, plugin) for check in ("tables", "migrations")] == [(), ()]


def test_tables_of_another_name_are_found(package: Path) -> None:
    plugin = migrated(package, StoringPlugin, f'{COUNT}\n{SEEN}\nop.create_table("other", sa.Column("id", sa.Integer))')
    [found] = findings("tables", plugin)
    assert "its migrations make the table other, which must begin with bad_" in found.sentence


def test_declared_tables_of_another_name_are_found(package: Path) -> None:
    metadata = sa.MetaData()
    sa.Table("other", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sentences = [
        found.sentence for found in findings("tables", migrated(package, StoringPlugin, COUNT, metadata=metadata))
    ]
    assert any("the table other must be called bad_other" in sentence for sentence in sentences)


def test_a_table_without_a_migration_is_found(package: Path) -> None:
    found, *_ = findings("migrations", migrated(package, StoringPlugin, COUNT))
    assert "on sqlite the migrations and the declared tables differ" in found.sentence
    assert "bad_seen" in found.sentence


def test_a_migration_that_fails_on_an_empty_database_is_found(package: Path) -> None:
    [found] = findings("migrations", migrated(package, StoringPlugin, 'op.drop_table("bad_nothing")'))
    assert "bad: its migrations fail on an empty database (sqlite)" in found.sentence


STRICT = 'op.add_column("bad_count", sa.Column("who", sa.Text, nullable=False))'
LOSSY = 'op.execute("DELETE FROM bad_count")'


@pytest.mark.parametrize(
    ("step", "sentence"),
    [(STRICT, "fail on a database of its version 0001 with rows"), (LOSSY, "after 0001 lose rows of bad_count")],
)
def test_a_migration_that_does_not_think_of_rows_is_found(package: Path, step: str, sentence: str) -> None:
    plugin = migrated(package, StoringPlugin, f"{COUNT}\n{SEEN}", step)
    assert any(sentence in found.sentence for found in findings("migrations", plugin)), findings("migrations", plugin)


def test_migrations_are_tried_on_postgresql_too(package: Path, postgres: Cluster) -> None:
    url = postgres.url("postgres")
    only_sqlite = f'{COUNT}\n{SEEN}\nop.execute("PRAGMA user_version")'
    found = findings("migrations", migrated(package, StoringPlugin, only_sqlite), postgres=url)
    assert any("its migrations fail on an empty database (postgresql)" in one.sentence for one in found)
    assert not any("sqlite" in one.sentence for one in found)
    with postgres.connect() as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'csmsd_check_%'").fetchall()
    assert names == []


@pytest.mark.parametrize("name", BUILT_IN)
def test_migrations_of_what_is_built_in_hold_on_postgresql(name: str, postgres: Cluster) -> None:
    assert findings("migrations", BUILT_IN[name].load(), postgres=postgres.url("postgres")) == ()
