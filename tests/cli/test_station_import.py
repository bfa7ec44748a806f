"""Many stations at once: everything is checked before anything is changed (SEC-26)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.cli.conftest import Cli, Server
from tests.cli.test_remote import as_json, complaint, said

IDS = ("BULK-1", "BULK 2/A", "BULK-3")


@pytest.fixture(autouse=True)
def tidy(remote: Cli) -> Iterator[None]:
    yield
    for station_id in IDS:
        remote("station", "remove", station_id, "--yes")


def deliver(remote: Cli, *lines: str, options: tuple[str, ...] = ()) -> Result:
    return remote("station", "import", "-", *options, stdin="\n".join(lines) + "\n")


def registered(remote: Cli) -> dict[str, Any]:
    found = {each["id"]: each for each in as_json(remote("station", "list", "--json"))}
    return {station_id: found[station_id] for station_id in IDS if station_id in found}


def knock(server: Server, station_id: str, password: str) -> None:
    credentials = b64encode(f"{station_id}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    url = f"{server.ocpp_url}/{station_id}"
    with connect(url, subprotocols=[Subprotocol("ocpp1.6")], additional_headers=headers):
        pass


@pytest.mark.req("SEC-26", "OPS-03")
def test_what_a_manufacturer_delivers_is_registered_and_lets_chargers_in(remote: Cli, server: Server) -> None:
    result = deliver(
        remote,
        "\ufeffserial_number,station_id,password,security_profile,registration,note",
        'SN-1,BULK-1,correct-horse-bat,,,"north, ""gate"""',
        "SN-2,BULK 2/A,0123456789abcdef0123,1,Pending,",
        "",
    )
    assert said(result) == "2 stations are added, 0 changed\n"
    found = registered(remote)
    assert [(each["serial_number"], each["note"]) for each in found.values()] == [
        ("SN-1", 'north, "gate"'),
        ("SN-2", ""),
    ]
    assert [(each["registration"], each["security_profile"]) for each in found.values()] == [
        ("Accepted", None),
        ("Pending", 1),
    ]
    knock(server, "BULK-1", "correct-horse-bat")
    with pytest.raises(InvalidStatus, match="401"):
        knock(server, "BULK-1", "another-horse-bat")


@pytest.mark.req("SEC-26")
def test_who_is_registered_already_is_changed_only_on_request(remote: Cli) -> None:
    said(deliver(remote, "station_id,note,password", "BULK-1,old,correct-horse-bat"))
    lines = ("station_id,note", "BULK-3,", "BULK-1,new")
    assert complaint(deliver(remote, *lines), 1) == (
        "csmsd: line 3: BULK-1 is registered already: --update changes them"
    )
    assert list(registered(remote)) == ["BULK-1"]
    assert said(deliver(remote, *lines, options=("--update", "--dry-run"))) == (
        "1 stations would be added, 1 changed\n"
    )
    assert list(registered(remote)) == ["BULK-1"]
    assert as_json(deliver(remote, *lines, options=("--update", "--json"))) == {"added": 1, "changed": 1}
    found = registered(remote)["BULK-1"]
    assert (found["note"], found["has_credentials"]) == ("new", True)  # an empty or missing cell changes nothing


@pytest.mark.req("SEC-26")
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("",), "line 1 must name the columns, station_id among them"),
        (("station_id,note",), "it names no station"),
        (("station,note",), "line 1: there is no column 'station'; did you mean station_id?"),
        (
            ("station_id,private_key", "BULK-1,x"),
            "line 1: there is no column 'private_key'; there are station_id, password, registration, security_profile,"
            " serial_number, note",
        ),
        (("station_id,note,note",), "line 1: the column note is there twice"),
        (("note,password", "x,y"), "line 1 must name the columns, station_id among them"),
        (("station_id,note", "BULK-1,a", ",b"), "line 3: station_id is empty"),
        (("station_id,note", "BULK-1"), "line 2 has 1 cells, line 1 names 2 columns"),
        (("station_id", "BULK-1", "BULK-3", "BULK-1"), "line 4: BULK-1 is in line 2 already"),
        (
            ("station_id,security_profile", "BULK-1,4"),
            "line 2: security_profile is one of 0, 1, 2, 3, not '4'",
        ),
        (
            ("station_id,registration", "BULK-1,accepted"),
            "line 2: registration is one of Accepted, Pending, Rejected, not 'accepted'",
        ),
        (("station_id,note", 'BULK-1,"a'), "line 2: unexpected end of data"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing(remote: Cli, lines: tuple[str, ...], reason: str) -> None:
    assert complaint(deliver(remote, *lines), 2) == f"csmsd: the file cannot be used: {reason}"
    assert registered(remote) == {}


@pytest.mark.req("SEC-26")
def test_bytes_that_are_no_text_are_named(remote: Cli, tmp_path: Path) -> None:
    file = tmp_path / "delivery.csv"
    file.write_bytes(b"station_id\nBULK-\xff\n")
    result = remote("station", "import", str(file))
    assert complaint(result, 2) == "csmsd: the file cannot be used: it is not UTF-8 (byte 16)"


@pytest.mark.req("SEC-26")
def test_a_line_that_the_server_refuses_is_named_and_what_was_done_before_too(remote: Cli) -> None:
    long = "X" * 256
    result = deliver(remote, "station_id,password", "BULK-1,correct-horse-bat", f"{long},secret-word")
    text = complaint(result, 1).splitlines()[-1]
    assert text.startswith(f"csmsd: line 3: {long}: ")
    assert text.endswith("the 1 before it are imported: mend the line and import the file again with --update")
    assert "secret-word" not in text
    assert list(registered(remote)) == ["BULK-1"]
