"""The profiles that are on really work: every certification case that applies passes, on real sockets."""

from __future__ import annotations

import pytest

from csmsd import Config
from csmsd.host import Host
from csmsd.plugin import NoConfig, Plugin
from csmsd_certification.cases import CASES
from csmsd_certification.local import LocalCentralSystem, open_local
from csmsd_certification.rendering import as_text
from csmsd_certification.results import Report
from csmsd_certification.running import run_cases
from tests.plugins.combinations.profiles import (
    COMBINATIONS,
    CORNERS,
    PROFILES,
    Names,
    actions_of,
    commands_of,
    off,
    spelled,
)

PATIENCE = 20.0
FUNCTIONALITIES = {  # whose cases all need the plugin; those of security include the doors, which are the kernel's
    "firmware": "Firmware Management",
    "localauth": "Local Auth List Management",
    "reservation": "Reservation",
    "smartcharging": "Smart Charging",
    "trigger": "Remote Trigger",
}


async def certify(central: LocalCentralSystem) -> Report:
    return await run_cases(central, CASES, timeout=PATIENCE, at_once=8)


def check(report: Report, chosen: Names) -> None:
    """Not applicable are exactly the cases that need a message of a plugin that is off; all others have passed."""
    missing = {name: actions_of([name]) | commands_of([name]) for name in off(chosen)}
    lost = set[str]().union(*missing.values())
    expected = {case.id: "Not applicable" if lost & set(case.needs) else "Pass" for case in CASES}
    assert {case.id: case.verdict for case in report.cases} == expected, as_text(report)
    for plugin, functionality in FUNCTIONALITIES.items():
        verdicts = {case.verdict for case in report.cases if case.functionality == functionality}
        assert verdicts == {"Pass" if plugin in chosen else "Not applicable"}, functionality
    assert any(case.verdict == "Not applicable" for case in report.cases) is bool(off(chosen))


async def check_from_the_start(chosen: Names) -> None:
    async with open_local(Config(plugins=("core", *chosen))) as central:
        check(await certify(central), chosen)


@pytest.mark.parametrize("chosen", CORNERS, ids=spelled)
async def test_every_profile_works_with_every_other_one_switched_off(chosen: Names) -> None:
    await check_from_the_start(chosen)


@pytest.mark.soak
@pytest.mark.parametrize("chosen", [chosen for chosen in COMBINATIONS if chosen not in CORNERS], ids=spelled)
async def test_so_does_every_combination(chosen: Names) -> None:
    await check_from_the_start(chosen)


async def test_the_others_go_on_when_one_is_switched_off_and_it_works_again_afterwards() -> None:
    hosts: list[Host] = []

    class Switchboard(Plugin[NoConfig]):
        """Lets the test at the csmsd that the certification opens."""

        name = "switchboard"

        def __init__(self, config: NoConfig, host: Host) -> None:
            super().__init__(config, host)
            hosts.append(host)

    config = Config(plugins=("core", *PROFILES, Switchboard))
    for name in PROFILES:
        async with open_local(config) as central:
            await hosts[-1].plugins.disable(name)
            rest = tuple(each for each in PROFILES if each != name)
            check(await certify(LocalCentralSystem(hosts[-1], central.credentials)), rest)
    async with open_local(config) as central:
        for name in PROFILES:
            await hosts[-1].plugins.disable(name)
        for name in reversed(PROFILES):
            await hosts[-1].plugins.enable(name)
        check(await certify(central), PROFILES)
