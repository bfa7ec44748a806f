"""docs/deciding.md: each of its plugins decides what it says, and leaves the rest to csmsd."""

from __future__ import annotations

import sys
import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from trio.testing import MockClock

from csmsd.env import Env
from csmsd.hookspecs import judge_certificate
from csmsd.testing import CallErrorReceived, TestStation, open_test_csms
from csmsd_core import BootNotification, BootNotificationResponse, StartTransaction, StartTransactionResponse
from csmsd_core.hookspecs import price_transaction
from csmsd_core.messages import Authorize, AuthorizeResponse
from csmsd_security.hookspecs import issue_certificate
from tests.docs.pages import blocks
from tests.docs.test_code_in_pages import names_of

PAGE = "docs/deciding.md"
NIGHT = datetime(2026, 1, 1, 2, tzinfo=UTC)


def plugin(number: int, name: str) -> Any:
    """The class in a block of the page."""
    return names_of(PAGE, number)[name]


@pytest.mark.req("WS-14")
async def test_a_stolen_station_is_kept_out(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", plugin(0, "StolenPlugin")]) as csms:
        await csms.connect("CP-12")
        with pytest.raises(ConnectionRefusedError, match="401"):
            await csms.connect("CP-13")


def certificate(serial_number: int) -> bytes:
    """DER; who has signed it does not matter here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CP-1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(serial_number).not_valid_before(NIGHT).not_valid_after(NIGHT + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


async def test_a_withdrawn_certificate_does_not_count(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", plugin(1, "WithdrawnPlugin")]) as csms:
        await csms.connect("CP-1")
        record = csms.host.stations.record("CP-1")
        said = [
            await csms.host.hooks.ask_decision("nobody", judge_certificate, record, certificate(number))
            for number in (0xBAD, 0x900D)
        ]
    assert said == ["the certificate of CP-1 was withdrawn", ""]  # "": the kernel's own answer


@pytest.mark.req("BOOT-25")
async def test_a_station_that_was_not_handed_over_waits(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", plugin(2, "InstalledPlugin")]) as csms:
        told = list[str]()
        for serial_number, registration in (("SN-1", "Accepted"), ("SN-3", "Accepted"), ("SN-2", "Rejected")):
            station = await csms.connect(f"CP-{serial_number}", registration=registration)
            boot = BootNotification("vendor", "model", charge_point_serial_number=serial_number)
            told.append((await station.send("BootNotification", boot, BootNotificationResponse)).status)
    assert told == ["Accepted", "Pending", "Rejected"]


async def authorize(station: TestStation, id_tag: str) -> str:
    try:
        return (await station.send("Authorize", Authorize(id_tag), AuthorizeResponse)).id_tag_info.status
    except CallErrorReceived as error:
        return error.code


@pytest.mark.req("AUTH-09", "AUTH-14")
async def test_the_club_decides_and_may_sleep(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", plugin(3, "MembersPlugin")]) as csms:
        station = await csms.connect("CP-1")
        assert [await authorize(station, tag) for tag in ("CLUB-1", "GUEST")] == ["Accepted", "Invalid"]
        begun = trio.current_time()
        for _ in range(12):  # ten failures would put the plugin aside
            assert await authorize(station, "SLEEPY") == "InternalError"
        assert trio.current_time() - begun == pytest.approx(24, abs=1)
        assert await authorize(station, "CLUB-1") == "Accepted"
        start = StartTransaction(1, "SLEEPY", 0, csms.host.env.now())
        begun_transaction = await station.send("StartTransaction", start, StartTransactionResponse)
        assert begun_transaction.id_tag_info.status == "Accepted"


@pytest.mark.parametrize(("hour", "cents", "how"), [(2, 190, "night rate"), (8, 590, "10.000 kWh at 49")])
async def test_the_night_is_cheap(hour: int, cents: int, how: str, autojump_clock: MockClock) -> None:
    tables = tomllib.loads(blocks(PAGE, "toml")[0])["plugin"]
    began = NIGHT.replace(hour=hour)
    env = Env(now=lambda: began + timedelta(seconds=trio.current_time()))
    async with open_test_csms(plugins=["core", plugin(4, "NightPlugin")], plugin=tables, env=env) as csms:
        station = await csms.connect("CP-1")
        start = StartTransaction(1, "T", 0, began)
        told = await station.send("StartTransaction", start, StartTransactionResponse)
        stop = b'{"transactionId":%d,"meterStop":10000,"timestamp":"%b"}' % (
            told.transaction_id, began.isoformat().encode(),
        )  # fmt: skip
        await station.send_raw("StopTransaction", stop)
        core: Any = csms.host.plugins.get("core")
        transaction = await core.transactions.find(told.transaction_id)
        price = await csms.host.hooks.first(price_transaction, transaction)
    assert price is not None
    assert (price.minor_units, price.text.startswith(how)) == (cents, True)


@pytest.mark.req("SEC-52")
@pytest.mark.parametrize(("script", "chain"), [("print(input())", "a request\n"), ("raise SystemExit(1)", None)])
@pytest.mark.trio(run=trio.run)
async def test_the_companys_program_signs(script: str, chain: str | None) -> None:
    tables = {"security": {"authority": "external"}, "company_ca": {"command": [sys.executable, "-c", script]}}
    async with open_test_csms(plugins=["core", "security", plugin(5, "AuthorityPlugin")], plugin=tables) as csms:
        await csms.connect("CP-1")
        issued = await csms.host.hooks.first(issue_certificate, csms.host.stations.get("CP-1"), "a request\n")
    assert issued == chain


def test_the_page_names_every_decision_and_each_has_an_example() -> None:
    text = "".join(blocks(PAGE, "python"))
    for hook in ("authenticate_station", "judge_certificate", "accept_station", "authorize_id_tag",
                 "price_transaction", "issue_certificate"):  # fmt: skip
        assert f"def {hook}(" in text
