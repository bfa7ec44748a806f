"""Each case turns red on what its pass criteria forbid, and is green on the same csmsd beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from csmsd import Config
from csmsd_certification.case import Case
from csmsd_certification.cases import CASES
from csmsd_certification.local import open_local
from csmsd_certification.rendering import as_text
from csmsd_certification.results import CaseResult, Report
from csmsd_certification.running import run_cases
from tests.plugins.certification.breaks_of_core import BREAKS_OF_CORE
from tests.plugins.certification.breaks_of_profiles import BREAKS_OF_PROFILES
from tests.plugins.certification.breaks_of_security import BREAKS_OF_SECURITY
from tests.plugins.certification.broken import Tampering
from tests.plugins.certification.broken_builds import Break, forgotten, refused, saboteur, withheld

PLUGINS = ("core", "firmware", "localauth", "reservation", "security", "smartcharging", "trigger")
IMPATIENCE = 5.0  # where something is known not to come
UNASKED = "CertificateSigned"  # a command that no operator orders
BREAKS: tuple[Break, ...] = (*BREAKS_OF_CORE, *BREAKS_OF_PROFILES, *BREAKS_OF_SECURITY)


async def run(breaks: Iterable[Break]) -> tuple[Mapping[str, Break], Report]:
    """A broken copy of its case for each break, by its id, and beside them every case as it is: all on one csmsd."""
    broken: dict[str, Break] = {}
    copies: list[Case] = []
    for number, each in enumerate(breaks):
        copies.append(each.copy(number))
        broken[copies[-1].id] = each
    changes = {(copy_id, each.change[0]): each.change[1] for copy_id, each in broken.items() if each.change}
    forgets = {(copy_id, each.forgets) for copy_id, each in broken.items() if each.forgets}
    async with open_local(Config(plugins=(*PLUGINS, saboteur(broken)))) as central:
        tampering = Tampering(central, changes, forgets)
        return broken, await run_cases(tampering, (*copies, *CASES), timeout=IMPATIENCE, at_once=24)


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


async def test_each_break_turns_exactly_its_case_red() -> None:
    broken, report = await run(BREAKS)
    assert len(report.cases) == len(BREAKS) + len(CASES)
    assert wrongly_judged(broken, report) == []


async def test_whatever_message_of_a_case_goes_wrong_that_case_turns_red() -> None:
    _, intact = await run(())
    assert intact.has_passed, as_text(intact)
    breaks = [each for case in intact.cases for each in (*_refusals(case), *_losses(case))]
    assert {each.case for each in breaks} == {case.id for case in CASES}
    broken, report = await run(breaks)
    assert wrongly_judged(broken, report) == []


def _refusals(case: CaseResult) -> Iterator[Break]:
    """Each CALL of the station gets a CALLERROR, one at a time."""
    calls: Counter[str] = Counter()
    for each in case.measured:
        calls[each.action] += 1
        yield refused(case.id, each.action, at=calls[each.action])


def _losses(case: CaseResult) -> Iterator[Break]:
    """The answer to a command gets lost, or the command that the system should send unasked."""
    for command in set(case.messages) - {each.action for each in case.measured}:
        yield withheld(case.id, command) if command == UNASKED else forgotten(case.id, command)
