"""Each case turns red on what its pass criteria forbid, and is green on the same csmsd beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pytest

from csmsd import Config
from csmsd_certification.case import Case
from csmsd_certification.cases import CASES, select
from csmsd_certification.local import open_local
from csmsd_certification.rendering import as_text
from csmsd_certification.results import CaseResult, Report
from csmsd_certification.running import run_cases
from tests.plugins.certification.breaks_of_core import BREAKS_OF_CORE
from tests.plugins.certification.breaks_of_profiles import BREAKS_OF_PROFILES
from tests.plugins.certification.breaks_of_security import BREAKS_OF_SECURITY
from tests.plugins.certification.broken import Tampering
from tests.plugins.certification.broken_builds import Break, forgotten, refused, saboteur, withheld
from tests.plugins.certification.calls_of_cases import calls_of, orders_of

PLUGINS = ("core", "firmware", "localauth", "reservation", "security", "smartcharging", "trigger")
IMPATIENCE = 4.0  # where something is known not to come; csmsd gives its plugins 5 s
BREAKS: tuple[Break, ...] = (*BREAKS_OF_CORE, *BREAKS_OF_PROFILES, *BREAKS_OF_SECURITY)


async def run(breaks: Iterable[Break]) -> tuple[Mapping[str, Break], Report, Mapping[str, list[str]]]:
    """A broken copy of its case for each break, by its id, and beside them every case as it is: all on one csmsd.

    Last what the operator has ordered, by cases.
    """
    broken: dict[str, Break] = {}
    copies: list[Case] = []
    for number, each in enumerate(breaks):
        copies.append(each.copy(number))
        broken[copies[-1].id] = each
    changes = {(copy_id, each.change[0]): each.change[1] for copy_id, each in broken.items() if each.change}
    forgets = {(copy_id, each.forgets): each.forgets_at for copy_id, each in broken.items() if each.forgets}
    async with open_local(Config(plugins=(*PLUGINS, saboteur(broken)))) as central:
        tampering = Tampering(central, changes, forgets)
        report = await run_cases(tampering, (*copies, *CASES), timeout=IMPATIENCE, at_once=24)
    return broken, report, tampering.orders


def wrongly_judged(broken: Mapping[str, Break], report: Report) -> list[str]:
    """What a broken copy has not noticed, or at the wrong step, and intact cases that are red."""
    return [
        f"{case.id}: {case.verdict} {case.failure}, should be {broken.get(case.id, 'green')}"
        for case in report.cases
        if not (_is_as_foreseen(case, broken[case.id]) if case.id in broken else case.verdict == "Pass")
    ]


def _is_as_foreseen(case: CaseResult, wrong: Break) -> bool:
    return case.failure is not None and case.failure.step == wrong.step and wrong.got in case.failure.got


def test_there_is_a_break_for_every_case() -> None:
    assert {each.case for each in BREAKS} == {case.id for case in CASES}


@pytest.mark.req(*sorted({each.case for each in BREAKS}))
async def test_each_break_turns_exactly_its_case_red() -> None:
    broken, report, _ = await run(BREAKS)
    assert len(report.cases) == len(BREAKS) + len(CASES)
    assert wrongly_judged(broken, report) == []


async def test_whatever_message_of_a_case_goes_wrong_that_case_turns_red() -> None:
    _, intact, orders = await run(())
    assert intact.has_passed, as_text(intact)
    assert {case.id: [each.action for each in case.measured] for case in intact.cases} == {
        case.id: calls_of(case.id) for case in CASES
    }
    assert {case.id: orders.get(case.id, []) for case in CASES} == {case.id: orders_of(case.id) for case in CASES}
    breaks = [each for case in CASES for each in (*_refusals(case), *_losses(case))]
    assert {each.case for each in breaks} == {case.id for case in CASES}
    broken, report, _ = await run(breaks)
    assert wrongly_judged(broken, report) == []


def _refusals(case: Case) -> Iterator[Break]:
    """Each CALL of the station gets a CALLERROR, one at a time."""
    for action, at in _counted(calls_of(case.id)):
        yield refused(case.id, action, at=at)


def _losses(case: Case) -> Iterator[Break]:
    """The answer to each command gets lost, one at a time; and the command that nobody orders does not come."""
    for action, at in _counted(orders_of(case.id)):
        yield forgotten(case.id, action, at=at)
    if "SignCertificate" in calls_of(case.id):
        yield withheld(case.id, "CertificateSigned")


def _counted(actions: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Each with how often it has come by then."""
    for position, action in enumerate(actions, 1):
        yield action, actions[:position].count(action)


@pytest.mark.req("TC_054")
@pytest.mark.parametrize("at", [4, 5])
async def test_a_trigger_for_what_the_system_has_no_plugin_for_counts_as_well(at: int) -> None:
    case = select(["TC_054"])
    async with open_local(Config(plugins=("core", "trigger"))) as central:
        intact = await run_cases(central, case, timeout=IMPATIENCE, at_once=1)
        forgets = {("TC_054", "TriggerMessage"): at}
        broken = await run_cases(Tampering(central, {}, forgets), case, timeout=IMPATIENCE, at_once=1)
    assert intact.has_passed, as_text(intact)
    failure = broken.cases[0].failure
    assert failure is not None
    assert (failure.expected, failure.got) == ('{"status":"NotImplemented"}', "null")
