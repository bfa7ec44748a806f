"""The auditor can fail: each way to cheat in the books or on the wire has a number."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from csmsd import open_csms
from csmsd.config import Access, Config, Listen
from tests.durability import auditor
from tests.durability.fleet import Station, WireLog

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wire log and a database that agree."""
    folder = tmp_path_factory.mktemp("honest")
    trio.run(_charge, folder)
    return folder


async def _charge(folder: Path) -> None:
    config = Config(
        plugins=("core",),
        data_dir=folder,
        listen=Listen(ocpp="127.0.0.1:0", http=""),
        access=Access(authentication="none", unknown_stations="register"),
    )
    log = WireLog()
    async with open_csms(config) as host:
        port = int(host.ocpp_urls[0].rpartition(":")[2].partition("/")[0])
        for index in range(3):
            station = Station(f"CP-{index}", port, log, random.Random(index))
            await station.run(0, lambda station=station: station.answered > 12)  # type: ignore[misc]  # a default
    with closing(sqlite3.connect(folder / "csmsd.db")) as database:
        database.execute("PRAGMA journal_mode=DELETE")  # everything in one file, to be copied
    (folder / "wire.jsonl").write_text(log.text())


def verdict(folder: Path) -> tuple[int, str]:
    """What the auditor, as a program, says."""
    files = [str(folder / "wire.jsonl"), str(folder / "csmsd.db")]
    done = subprocess.run([sys.executable, auditor.__file__, *files], capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_honest_books_pass(honest: Path) -> None:
    status, said = verdict(honest)
    assert (status, said.strip().rpartition("; ")[2]) == (0, "0 violations")
    assert "confirmed: 0 starts" not in said


ONE_TRANSACTION = "(SELECT max(id) FROM core_transaction)"
BOOKS = {
    "a transaction is lost": ("B-01", f"DELETE FROM core_transaction WHERE id = {ONE_TRANSACTION}"),
    "a transaction is another station's": ("B-01", "UPDATE core_transaction SET station_id = 'CP-' || connector_id"),
    "its meter is another": ("B-01", f"UPDATE core_transaction SET meter_start = 1 WHERE id = {ONE_TRANSACTION}"),
    "a stop is lost": ("B-01", f"DELETE FROM core_stop WHERE transaction_id = {ONE_TRANSACTION}"),
    "a reading is lost": ("B-01", "DELETE FROM core_meter_value WHERE id = 1"),
    "a reading is changed": ("B-01", "UPDATE core_meter_value SET samples = replace(samples, ':\"', ':\"9')"),
    "nobody has started it": ("B-02", f"UPDATE core_transaction SET id_tag = 'X' WHERE id = {ONE_TRANSACTION}"),
    "the stop does not count": ("B-03", f"UPDATE core_transaction SET meter_stop = NULL WHERE id = {ONE_TRANSACTION}"),
    "it ends by another's stop": ("B-03", "UPDATE core_transaction SET stop_id = (SELECT min(id) FROM core_stop)"),
    "two stops of one transaction": ("B-04", f"UPDATE core_stop SET transaction_id = {ONE_TRANSACTION}"),
    "a reading counts twice": (
        "B-04",
        "INSERT INTO core_meter_value SELECT id + 100000, at_key, station_id, origin, part + 1, connector_id,"
        " reference, transaction_id, stop_id, at, reported_at, received_at, samples, set_aside, energy_wh, power_w,"
        " current_ma, voltage_mv, soc_permille, flags FROM core_meter_value LIMIT 1",
    ),
    "a meter runs backwards": ("B-05", f"UPDATE core_transaction SET meter_stop = 0 WHERE id = {ONE_TRANSACTION}"),
}  # fmt: skip


@pytest.mark.parametrize("fraud", BOOKS)
def test_a_fraud_in_the_books_is_found(fraud: str, honest: Path, tmp_path: Path) -> None:
    number, statement = BOOKS[fraud]
    shutil.copytree(honest, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "csmsd.db")) as database:
        assert database.execute(statement).rowcount > 0
        database.commit()
    status, said = verdict(tmp_path)
    assert status == 1
    assert f"\n{number} " in f"\n{said}"


def _answers_to(lines: Lines, action: str) -> list[dict[str, Any]]:
    asked = {(e["station"], e["line"], e["frame"][1]): e["frame"][2] for e in lines if e["direction"] == "sent"}
    received = [each for each in lines if each["direction"] == "received"]
    return [each for each in received if asked[each["station"], each["line"], each["frame"][1]] == action]


def _another_id(lines: Lines) -> None:
    _answers_to(lines, "StartTransaction")[0]["frame"][2]["transactionId"] += 1000


def _same_id_twice(lines: Lines) -> None:
    first, second, *_ = _answers_to(lines, "StartTransaction")
    second["frame"][2]["transactionId"] = first["frame"][2]["transactionId"]


def _retry_with_another_id(lines: Lines) -> None:
    start = next(each for each in lines if each["frame"][0] == 2)
    answer = _answers_to(lines, "StartTransaction")[0]
    again, told = json.loads(json.dumps(start)), json.loads(json.dumps(answer))
    again["frame"][1] = told["frame"][1] = "again"
    told["frame"][2]["transactionId"] += 1
    lines += [again, told]


WIRE: dict[str, tuple[str, Callable[[Lines], None]]] = {
    "an id that is not in the books": ("B-01", _another_id),
    "one id for two starts": ("B-02", _same_id_twice),
    "another id for a retry": ("B-02", _retry_with_another_id),
}


@pytest.mark.parametrize("fraud", WIRE)
def test_a_lie_on_the_wire_is_found(fraud: str, honest: Path, tmp_path: Path) -> None:
    number, lie = WIRE[fraud]
    shutil.copytree(honest, tmp_path, dirs_exist_ok=True)
    lines: Lines = [json.loads(line) for line in (honest / "wire.jsonl").read_text().splitlines()]
    lie(lines)
    (tmp_path / "wire.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    status, said = verdict(tmp_path)
    assert status == 1
    assert f"\n{number} " in f"\n{said}"
