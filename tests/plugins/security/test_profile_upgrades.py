"""Raising a security profile: recognised on any route, open until it was used, never lowered."""

from __future__ import annotations

import pytest
import trio

from csmsd_core import ChangeConfiguration, ChangeConfigurationResponse
from csmsd_security.messages import GetInstalledCertificateIds, GetInstalledCertificateIdsResponse
from tests.plugins.security.conftest import Site
from tests.plugins.security.test_installed_certificates import CENTRAL, ROOT, named


def request(value: str, key: str = "SecurityProfile") -> ChangeConfiguration:
    return ChangeConfiguration(key, value)


async def raise_to(site: Site, value: str, status: str = "Accepted", key: str = "SecurityProfile") -> str:
    answer = ChangeConfigurationResponse(status)  # type: ignore[arg-type]  # a str of that Literal
    record = await site.submit("ChangeConfiguration", request(value, key), answer)
    await trio.sleep(1)
    return record.state


def profiles(site: Site) -> tuple[int | None, int | None]:
    record = site.host.stations.record("CP-1")
    return record.security_profile, record.profile_upgrade_to


@pytest.mark.req("SEC-40", "SEC-42", "TC_083")
@pytest.mark.parametrize("status", ["Accepted", "RebootRequired"])
@pytest.mark.parametrize("key", ["SecurityProfile", " securityprofile"])
async def test_an_upgrade_is_recognised_on_the_raw_route_in_any_spelling(site: Site, status: str, key: str) -> None:
    await site.host.stations.change("CP-1", security_profile=1)
    await raise_to(site, "2", status, key)
    assert site.sent("ChangeConfiguration") == {"key": key, "value": "2"}
    assert profiles(site) == (1, 2)


@pytest.mark.req("SEC-45")
@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
async def test_a_refusal_changes_nothing(site: Site, status: str) -> None:
    await site.host.stations.change("CP-1", security_profile=1)
    await raise_to(site, "2", status)
    assert profiles(site) == (1, None)


@pytest.mark.req("SEC-42")
async def test_without_an_answer_both_profiles_stay_open(site: Site) -> None:
    await site.host.stations.change("CP-1", security_profile=1)
    payload = b'{"key":"SecurityProfile","value":"2"}'
    record = await site.host.commands.submit("CP-1", "ChangeConfiguration", payload, actor="op")
    assert (await site.host.commands.outcome(record.id)).state == "timeout"
    assert profiles(site) == (1, 2)


@pytest.mark.req("SEC-42")
async def test_a_record_that_left_its_profile_open_can_be_raised_as_well(site: Site) -> None:
    await raise_to(site, "1")
    assert profiles(site) == (None, 1)


@pytest.mark.req("SEC-46")
async def test_profiles_are_not_lowered_and_equal_ones_pass_with_a_warning(site: Site) -> None:
    await site.host.stations.change("CP-1", security_profile=2)
    assert await raise_to(site, "1") == "refused"
    assert profiles(site) == (2, None)
    assert any("SEC-46" in each for each in site.warnings("ChangeConfiguration", request("2")))
    assert await raise_to(site, "2") == "answered"
    assert profiles(site) == (2, None)
    await site.host.stations.change("CP-1", security_profile=1)  # out of band, the operator can
    assert profiles(site) == (1, None)


@pytest.mark.req("SEC-40")
@pytest.mark.parametrize("value", ["7", "high", "-1"])
async def test_what_is_no_profile_is_passed_through_without_effect(site: Site, value: str) -> None:
    await raise_to(site, value)
    assert profiles(site) == (None, None)


@pytest.mark.req("SEC-41")
async def test_missing_preconditions_are_warned_of(site: Site) -> None:
    said = " ".join(site.warnings("ChangeConfiguration", request("2")))
    assert "password" in said
    assert CENTRAL in said
    assert "certificate of its own" in " ".join(site.warnings("ChangeConfiguration", request("3")))
    await site.host.credentials.put("CP-1", "correct-horse-bat")
    answer = GetInstalledCertificateIdsResponse("Accepted", (named(ROOT),))
    await site.submit("GetInstalledCertificateIds", GetInstalledCertificateIds(CENTRAL), answer)
    assert site.warnings("ChangeConfiguration", request("2")) == []
