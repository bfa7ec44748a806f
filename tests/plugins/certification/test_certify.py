"""`csmsd certify` on real sockets: everything passes on a csmsd as it is, and can fail."""

from __future__ import annotations

from csmsd import Config
from csmsd_certification.cases import CASES
from csmsd_certification.local import open_local
from csmsd_certification.rendering import as_text
from csmsd_certification.running import run_cases

PLUGINS = ("core", "firmware", "localauth", "reservation", "security", "smartcharging", "trigger")
PATIENCE = 20.0


async def test_every_case_passes_on_a_fresh_csmsd() -> None:
    async with open_local(Config(plugins=PLUGINS)) as central:
        report = await run_cases(central, CASES, timeout=PATIENCE, at_once=8)
    assert report.has_passed, as_text(report)
    assert {case.verdict for case in report.cases} == {"Pass"}
