"""`csmsd user`, `csmsd token` and `csmsd audit` against a real server, and how the first user comes in."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import httpx
import msgspec
import pytest

from csmsd_web.cli import moment_of
from tests.cli.conftest import Cli, Server
from tests.cli.test_remote import as_json, complaint, said

PASSWORD = "correct horse battery"


@pytest.mark.req("SEC-80")
def test_the_life_of_a_user(remote: Cli, server: Server) -> None:
    assert "Root is" not in said(remote("user", "add", "Root", "--role", "administrator", "--password", PASSWORD))
    text = said(remote("user", "add", "anna", "--role", "operator"))
    assert "anna is added as operator" in text
    assert f"{server.environ['CSMSD_URL']}/ui/welcome?link=csml_" in text
    assert "/ui/welcome?link=csml_" in said(remote("user", "link", "anna"))
    line = next(line for line in said(remote("user", "list")).splitlines() if line.startswith("anna"))
    assert line.split()[:4] == ["anna", "operator", "yes", "no"]
    assert "cli:local admin" in line
    assert "anna has a new password" in said(remote("user", "password", "anna", stdin=f"{PASSWORD}\n{PASSWORD}\n"))
    assert "12 to 1000 characters" in complaint(remote("user", "password", "anna", "--password", "short"), 1)
    assert "anna is viewer, and shut out" in said(remote("user", "set", "anna", "--role", "viewer", "--disable"))
    assert "anna is viewer" in said(remote("user", "set", "anna", "--enable"))
    assert "nothing to change" in complaint(remote("user", "set", "anna"), 2)
    assert "last administrator" in complaint(remote("user", "remove", "root", "--yes"), 1)
    assert "no user anna2" in complaint(remote("user", "remove", "anna2", "--yes"), 1)
    assert "anna is removed" in said(remote("user", "remove", "anna", stdin="y\n"))
    assert [user["name"] for user in as_json(remote("user", "list", "--json"))] == ["root"]


@pytest.mark.req("SEC-80")
def test_the_life_of_a_token(cli: Cli, remote: Cli, server: Server) -> None:
    text, note = said(remote("token", "add", "grafana", "--expires", "90d")).splitlines()
    id_ = text.split("_")[1]
    assert id_ in note
    mine = {"CSMSD_URL": server.environ["CSMSD_URL"], "CSMSD_TOKEN": text}
    assert cli("station", "list", environ=mine).exit_code == 0
    assert "needs the scope admin" in complaint(cli("user", "list", environ=mine), 1)
    line = next(line for line in said(remote("token", "list")).splitlines() if line.startswith(id_))
    assert line.split()[1:3] == ["grafana", "read"]
    assert "is revoked" in said(remote("token", "remove", id_))
    assert cli("station", "list", environ=mine).exit_code == 1
    assert "no user nobody" in complaint(remote("token", "add", "x", "--user", "nobody"), 1)
    assert "no date" in complaint(remote("token", "add", "x", "--expires", "soon"), 2)


def test_an_expiry_is_a_span_or_a_moment_to_come() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert moment_of("90d", now) == now + timedelta(days=90)
    assert moment_of("12h", now) == now + timedelta(hours=12)
    assert moment_of("30m", now) == now + timedelta(minutes=30)
    assert moment_of("2030-02-01T00:00:00+01:00", now) == datetime(2030, 1, 31, 23, tzinfo=UTC)
    for text in ("x", "9", "0m", "2029-12-31", "999999d9"):
        with pytest.raises(click.BadParameter):
            moment_of(text, now)


@pytest.mark.req("B-08", "SEC-80")
def test_the_audit_is_listed_exported_and_verified_by_the_file_alone(
    cli: Cli, remote: Cli, server: Server, tmp_path: Path
) -> None:
    said(remote("station", "add", "AUDITED"))
    said(remote("station", "set", "AUDITED", "--note", "x"))
    newest, *_ = as_json(remote("audit", "list", "--subject", "AUDITED", "--json"))
    assert (newest["action"], newest["way"]) == ("station.change", "cli")
    assert (msgspec.json.decode(newest["before"])["note"], msgspec.json.decode(newest["after"])["note"]) == ("", "x")
    assert "station.change" in said(remote("audit", "list", "--action", "station", "--way", "cli", "--limit", "2"))
    lines = [msgspec.json.decode(line) for line in said(remote("audit", "export")).splitlines()]
    assert [line["id"] for line in lines] == list(range(1, len(lines) + 1))
    database = str(server.data_dir / "csmsd.db")
    verdict = as_json(cli("audit", "verify", "--database", database, "--json"))
    assert (verdict["last_id"], verdict["findings"]) == (lines[-1]["id"], [])
    assert verdict["head"] == f"{lines[-1]['id']}:{lines[-1]['hash']}"
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(database)) as original, closing(sqlite3.connect(copy)) as other:
        original.backup(other)
    assert "the audit is intact: entries 1 to" in said(cli("audit", "verify", "--database", str(copy)))
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE kernel_audit SET actor = 'mallory' WHERE id = 2")
        connection.execute("DELETE FROM kernel_audit WHERE id = 3")
    text = said(cli("audit", "verify", "--database", str(copy)), 1)
    assert "NOT intact" in text
    assert "entry 2 is not as it was written" in text
    assert "entry 3 is missing" in text
    assert said(cli("audit", "verify", "--database", database, "--anchor", verdict["head"])).startswith("the audit is")
    assert "no head of an audit" in complaint(cli("audit", "verify", "--database", database, "--anchor", "x"), 2)
    assert "there is no database" in complaint(cli("audit", "verify", "--database", str(tmp_path / "none.db")), 2)
    assert not (tmp_path / "none.db").exists()
    shutil.copyfile(copy, tmp_path / "text.db")
    (tmp_path / "text.db").write_text("this is no database, whatever it is called" * 100)
    assert "cannot be read" in complaint(cli("audit", "verify", "--database", str(tmp_path / "text.db")), 1)


@pytest.mark.req("SEC-80")
def test_who_has_no_user_yet_is_told_how_to_make_one(run_csmsd: Callable[..., Server], cli: Cli) -> None:
    server = run_csmsd("--plugins", "core,web")
    (line,) = [line for line in server.lines if line.lstrip().startswith("users ")]
    assert line.endswith("csmsd user add <name> --role administrator")
    said(cli("user", "add", "root", "--role", "administrator", "--password", PASSWORD, environ=server.environ))
    server.stop()
    assert not [line for line in run_csmsd("--plugins", "core,web").lines if line.lstrip().startswith("users ")]


@pytest.mark.req("SEC-80")
def test_a_person_logs_in_over_the_wire(remote: Cli, server: Server) -> None:
    url = server.environ["CSMSD_URL"]
    said(remote("user", "add", "wire", "--password", PASSWORD))
    with httpx.Client(base_url=f"{url}/api/v1", trust_env=False) as browser:
        assert browser.post("/session", json={"name": "wire", "password": "wrong"}).status_code == 401
        opened = browser.post("/session", json={"name": "wire", "password": PASSWORD})
        assert opened.status_code == 201
        assert browser.get("/stations").status_code == 200
        assert browser.delete("/session").status_code == 403
        token = opened.json()["csrf_token"]
        assert browser.delete("/session", headers={"x-csrf-token": token}).status_code == 204
        assert browser.get("/stations").status_code == 401
