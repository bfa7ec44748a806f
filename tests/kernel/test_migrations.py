"""Migrations: every lineage makes the tables its metadata declares, on both databases."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from csmsd._kernel.storage import tables as kernel
from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import KERNEL, LineageStatus, check_lineage, require_current, status, upgrade
from csmsd.errors import PluginConflict, PluginError, SchemaMismatch
from csmsd.plugin import Migrations

FIRST = """
    import sqlalchemy as sa
    from alembic import op

    revision, down_revision = "0001", None

    def upgrade():
        op.create_table("billing_invoice", sa.Column("id", sa.Integer, primary_key=True))
        reference = sa.ForeignKey("billing_invoice.id")
        op.create_table("billing_line", sa.Column("invoice", sa.Integer, reference, primary_key=True))
"""
SECOND = """
    import sqlalchemy as sa
    from alembic import op

    revision, down_revision = "0002", "0001"

    def upgrade():
        with op.batch_alter_table("billing_invoice", recreate="always") as table:
            table.add_column(sa.Column("cents", sa.Integer, nullable=False, server_default="0"))
"""
SECOND_IN_PLACE = SECOND.replace(', recreate="always"', "")
BROKEN = """
    import sqlalchemy as sa
    from alembic import op

    revision, down_revision = "0003", "0002"

    def upgrade():
        op.create_table("billing_half", sa.Column("id", sa.Integer, primary_key=True))
        raise RuntimeError("power cut")
"""


class Package:
    """A plugin's package whose revisions a test writes."""

    def __init__(self, folder: Path) -> None:
        self.versions = folder / "billing_for_test" / "migrations" / "versions"
        self.versions.mkdir(parents=True)
        (folder / "billing_for_test" / "__init__.py").touch()
        self.metadata = sa.MetaData()
        self.lineage = Migrations("billing_for_test", self.metadata)

    def add(self, name: str, text: str) -> None:
        (self.versions / f"{name}.py").write_text(textwrap.dedent(text))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Package(tmp_path)
    sys.modules.pop("billing_for_test", None)


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[sa.Engine]:
    engine = writing_engine(parse_url(empty_database_url), is_durable=False)
    yield engine
    engine.dispose()


def tables(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


def test_the_kernels_migrations_make_the_tables_it_declares(engine: sa.Engine) -> None:
    upgrade(engine, KERNEL)
    assert check_lineage(engine, "kernel", KERNEL["kernel"]) == []


def test_a_missing_column_or_table_is_noticed(engine: sa.Engine) -> None:
    upgrade(engine, KERNEL)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE kernel_station DROP COLUMN note"))
        connection.execute(sa.text("DROP TABLE kernel_audit"))
    complaints = " ".join(check_lineage(engine, "kernel", KERNEL["kernel"]))
    assert "note" in complaints
    assert "kernel_audit" in complaints


def test_upgrading_twice_changes_nothing(engine: sa.Engine) -> None:
    assert [lineage.pending for lineage in status(engine, KERNEL)] == [("0001", "0002", "0003", "0004", "0005")]
    assert upgrade(engine, KERNEL) == [LineageStatus("kernel", None, "0005", ("0001", "0002", "0003", "0004", "0005"))]
    assert upgrade(engine, KERNEL) == [LineageStatus("kernel", "0005", "0005", ())]
    require_current(engine, KERNEL)


def test_old_tables_are_refused_with_the_command_that_helps(engine: sa.Engine) -> None:
    with pytest.raises(SchemaMismatch, match="csmsd db upgrade"):
        require_current(engine, KERNEL)


def test_a_plugin_has_its_own_lineage_and_goes_on_where_it_stopped(engine: sa.Engine, package: Package) -> None:
    package.add("0001_first", FIRST)
    upgrade(engine, {**KERNEL, "billing": package.lineage})
    upgrade(engine, KERNEL)  # without the plugin: nobody minds
    package.add("0002_second", SECOND_IN_PLACE)
    before = upgrade(engine, {**KERNEL, "billing": package.lineage})
    assert before[1] == LineageStatus("billing", "0001", "0002", ("0002",))
    assert {"schema_version_kernel", "schema_version_billing", "billing_invoice"} <= tables(engine)


def test_rebuilding_a_table_keeps_the_rows_that_refer_to_it(engine: sa.Engine, package: Package) -> None:
    package.add("0001_first", FIRST)
    upgrade(engine, {"billing": package.lineage})
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO billing_invoice (id) VALUES (7)"))
        connection.execute(sa.text("INSERT INTO billing_line (invoice) VALUES (7)"))
    is_rebuilt = engine.dialect.name == "sqlite"
    package.add("0002_second", SECOND if is_rebuilt else SECOND_IN_PLACE)
    upgrade(engine, {"billing": package.lineage})
    with engine.begin() as connection:
        assert connection.execute(sa.text("SELECT invoice FROM billing_line")).scalar_one() == 7
        if is_rebuilt:
            assert connection.execute(sa.text("PRAGMA foreign_keys")).scalar_one() == 1


def test_an_interrupted_migration_has_not_happened(engine: sa.Engine, package: Package) -> None:
    for name, text in (("0001_first", FIRST), ("0002_second", SECOND.replace(', recreate="always"', ""))):
        package.add(name, text)
    package.add("0003_broken", BROKEN)
    with pytest.raises(RuntimeError, match="power cut"):
        upgrade(engine, {"billing": package.lineage})
    assert not {name for name in tables(engine) if name.startswith("billing_")}
    assert [lineage.current for lineage in status(engine, {"billing": package.lineage})] == [None]


def test_tables_of_a_newer_version_are_refused(engine: sa.Engine, package: Package) -> None:
    package.add("0001_first", FIRST)
    upgrade(engine, {"billing": package.lineage})
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE schema_version_billing SET version_num = '0009'"))
    for refuses in (upgrade, status, require_current):
        with pytest.raises(SchemaMismatch, match=r"0009.*upgrade csmsd"):
            refuses(engine, {"billing": package.lineage})


def test_tables_outside_the_plugins_prefix_are_refused(engine: sa.Engine, package: Package) -> None:
    package.add("0001_first", FIRST)
    sa.Table("invoice", package.metadata)
    with pytest.raises(PluginConflict, match=r"invoice.*billing_"):
        upgrade(engine, {"billing": package.lineage})


def test_a_table_has_one_owner(engine: sa.Engine, package: Package) -> None:
    package.add("0001_first", FIRST)
    sa.Table("billing_x_line", package.metadata)
    with pytest.raises(PluginConflict, match="billing and billing_x"):
        upgrade(engine, {"billing": package.lineage, "billing_x": package.lineage})


def test_a_package_without_migrations_is_named(engine: sa.Engine) -> None:
    with pytest.raises(PluginError, match=r"no_such_package"):
        upgrade(engine, {"billing": Migrations("no_such_package", sa.MetaData())})


@pytest.mark.parametrize(
    ("facts", "cursor", "following"),
    [((3, 7), 5, 8), ((), 12, 13), ((), None, None)],  # some are left, all have been deleted, there never was one
)
def test_ids_of_facts_go_on_after_those_of_an_older_csmsd(
    engine: sa.Engine, facts: tuple[int, ...], cursor: int | None, following: int | None
) -> None:
    upgrade(engine, KERNEL)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE kernel_outbox_failure DROP COLUMN recorded_at"))
        for column in ("way", "previous", "hash"):
            connection.execute(sa.text(f"ALTER TABLE kernel_audit DROP COLUMN {column}"))
        connection.execute(sa.text("DROP TABLE kernel_audit_mark"))
        connection.execute(sa.text("UPDATE schema_version_kernel SET version_num = '0002'"))
        row = {"name": "x", "station_id": "A", "payload": b"{}", "at": datetime(2026, 1, 1, tzinfo=UTC)}
        for id_ in facts:
            connection.execute(sa.insert(kernel.outbox), {**row, "id": id_})
        if cursor is not None:
            connection.execute(sa.insert(kernel.outbox_cursor), {"plugin": "billing", "fact_id": cursor})
    upgrade(engine, KERNEL)
    with engine.begin() as connection:
        assert connection.execute(sa.select(kernel.sequence.c.next)).scalar_one_or_none() == following
