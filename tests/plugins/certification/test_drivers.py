"""`csmsd certify --url`: another central system is certified by its own controls."""

from __future__ import annotations

from pathlib import Path

from csmsd.cli.settings import check_plugins, load_settings
from csmsd_certification.cases import select
from csmsd_certification.remote import Remote, open_remote
from csmsd_certification.rendering import as_text
from csmsd_certification.results import Report
from csmsd_certification.running import run_cases
from tests.plugins.certification.remote_csmsd import open_remote_csmsd

PATIENCE = 20.0
PLUGINS = [loaded.type for loaded in check_plugins(load_settings(None, {}))]


async def certify(remote: Remote, *ids: str, timeout: float = PATIENCE) -> Report:
    async with open_remote(remote, PLUGINS, timeout) as central:
        return await run_cases(central, select(ids), timeout=timeout, at_once=8)


async def test_another_csmsd_passes_everything_by_its_management_api(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        report = await certify(csmsd.by_api())
        assert report.has_passed, as_text(report)
        assert {case.verdict for case in report.cases} == {"Pass"}
        again = await certify(csmsd.by_api())
        assert {case.verdict for case in again.cases} == {"Pass"}, as_text(again)
        assert list(csmsd.host.stations.records()) == []
