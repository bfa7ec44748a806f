"""What `csmsd certify` prints and writes, and its exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from csmsd_certification.central import PluginInfo, SystemInfo
from csmsd_certification.rendering import FORMATS, as_html, as_markdown, as_text
from csmsd_certification.results import LIMIT, CaseResult, Failure, Report, draw_up
from csmsd_certification.wire import Line, Measured

SYSTEM = SystemInfo("csmsd", "1.2", (("Transport", "reactor"),), (PluginInfo("core", "1.2", ("Authorize", "Reset")),))
PASSED = CaseResult(
    "TC_003",
    "A session",
    "Core",
    "Pass",
    messages=("Authorize",),
    measured=(Measured("Authorize", 0.5), Measured("Heartbeat", 2.0)),
)
FAILED = CaseResult(
    "TC_013",
    "Hard | soft <reset>",
    "Core",
    "Fail",
    failure=Failure("Reset.req", '{"type":"Hard"}', "<nothing>"),
    wire=(Line(0.1, "received", '[2,"1","Reset",{}]'),),
)
MISSING = CaseResult("TC_054", "Trigger", "Remote Trigger", "Not applicable", lacking=("TriggerMessage",))


def report_of(*cases: CaseResult) -> Report:
    return draw_up(datetime(2026, 1, 1, tzinfo=UTC), 3.0, SYSTEM, cases)


def test_a_functionality_fails_with_one_of_its_cases() -> None:
    report = report_of(PASSED, FAILED, MISSING)
    assert [(each.name, each.verdict) for each in report.functionalities] == [
        ("Core", "Fail"),
        ("Remote Trigger", "Not applicable"),
    ]
    assert not report.has_passed
    assert report_of(PASSED, MISSING).has_passed
    assert not report_of(MISSING).has_passed, "nothing was tested"


@pytest.mark.req("PERF-02")
def test_response_times_are_measured_against_their_limit() -> None:
    every, authorize = report_of(PASSED).response_times
    assert (every.longest, every.count, every.verdict) == (2.0, 2, "Pass")
    assert (authorize.longest, authorize.count, authorize.limit) == (0.5, 1, LIMIT)
    slow = msgspec.structs.replace(PASSED, measured=(Measured("Authorize", 60.1),))
    assert [each.verdict for each in report_of(slow).response_times] == ["Fail", "Fail"]
    assert not report_of(slow).has_passed
    assert {each.verdict for each in report_of(MISSING).response_times} == {"Not applicable"}


def test_each_plugin_is_listed_with_what_was_exercised() -> None:
    (core,) = report_of(PASSED, FAILED).plugins
    assert core.messages == (("Authorize", 1),)


def test_text_shows_the_step_and_the_wire_of_what_failed() -> None:
    text = as_text(report_of(PASSED, FAILED, MISSING))
    assert text.splitlines()[0].endswith(": FAIL")
    for expected in (
        "step      Reset.req",
        'expected  {"type":"Hard"}',
        "got       <nothing>",
        '<- [2,"1","Reset",{}]',
    ):
        assert expected in text


def test_markdown_lists_all_cases_in_tables_that_hold_together() -> None:
    text = as_markdown(report_of(PASSED, FAILED, MISSING))
    assert "| TC_054 | Trigger | Remote Trigger | Not applicable | no plugin offers TriggerMessage |" in text
    assert "Hard \\| soft" in text


def test_the_abstract_begins_with_what_came_out() -> None:
    report = report_of(PASSED, FAILED, MISSING)
    lead = f"{SYSTEM.name} {SYSTEM.version}: 1 of 3 cases passed, 1 failed, 1 not applicable."
    for form in (as_text, as_markdown, as_html):
        assert lead in form(report)
    assert as_text(report_of(PASSED)).splitlines()[2].endswith(": 1 of 1 cases passed.")


def test_a_run_that_was_stopped_has_not_passed() -> None:
    report = draw_up(datetime(2026, 1, 1, tzinfo=UTC), 3.0, SYSTEM, [PASSED], ["TC_013", "TC_014"])
    assert not report.has_passed
    assert ": 1 of 3 cases passed, 2 not run." in as_text(report)


def test_text_tells_once_why_cases_do_not_count() -> None:
    other = msgspec.structs.replace(MISSING, id="TC_055", reason="no plugin offers TriggerMessage")
    text = as_text(report_of(PASSED, MISSING, other))
    assert re.search(r"no plugin offers TriggerMessage +TC_054, TC_055$", text, re.MULTILINE)
    assert "Not applicable\n" not in as_text(report_of(PASSED)), "no table of nothing"


def test_lines_for_the_terminal_are_not_endless() -> None:
    long = tuple(f"Message{number:03}" for number in range(50))
    system = msgspec.structs.replace(SYSTEM, plugins=(PluginInfo("core", "1.0", long),))
    case = msgspec.structs.replace(PASSED, messages=long)
    text = as_text(draw_up(datetime(2026, 1, 1, tzinfo=UTC), 3.0, system, [case]))
    assert max(map(len, text.splitlines())) < 120
    assert text.count("Message0") == 50


def test_each_failed_case_of_the_page_leads_to_its_wire() -> None:
    page = as_html(report_of(PASSED, FAILED, MISSING))
    assert '<a href="#TC_013">TC_013</a>' in page
    assert '<pre id="TC_013">' in page
    assert '<span class="fail">FAIL</span>' in page
    assert "What failed" not in as_html(report_of(PASSED))


def test_html_is_one_page_in_which_nothing_of_the_wire_is_markup() -> None:
    class Tags(HTMLParser):
        seen: set[str]

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.add(tag)

    parser = Tags()
    parser.seen = set()
    parser.feed(as_html(report_of(PASSED, FAILED, MISSING)))
    assert {"reset", "nothing", "script", "link"}.isdisjoint(parser.seen)
    assert {"table", "pre"} <= parser.seen


def test_json_reads_back() -> None:
    report = report_of(PASSED, FAILED, MISSING)
    assert msgspec.json.decode(FORMATS[".json"](report), type=Report) == report


def run_csmsd(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the command decides about logging."""
    command = [sys.executable, "-m", "csmsd", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_command_runs_the_cases_asked_for_and_writes_the_reports(tmp_path: Path) -> None:
    files = [tmp_path / f"report{suffix}" for suffix in FORMATS]
    options = [part for file in files for part in ("--report", str(file))]
    done = run_csmsd(
        tmp_path, "certify", "--case", "TC_023_1", "--case", "TC_046", "--plugins", "core,certification", *options
    )
    assert done.returncode == 0, done.stderr
    assert ": PASS" in done.stdout
    report = msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Report)
    assert [(case.id, case.verdict) for case in report.cases] == [("TC_023_1", "Pass"), ("TC_046", "Not applicable")]
    assert all(file.stat().st_size for file in files)
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in files}, "nothing else is left"


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("--case", "TC_23_1"), 2, "there is no case TC_23_1; did you mean TC_023_1?"),
        (("--report", "report.pdf"), 2, "the ending is none of .json, .md, .html, .txt"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], code: int, complaint: str, tmp_path: Path) -> None:
    done = run_csmsd(tmp_path, "certify", *arguments)
    assert done.returncode == code
    assert complaint in done.stderr


def test_the_command_is_offered_by_default(tmp_path: Path) -> None:
    assert "certify" in run_csmsd(tmp_path, "--help").stdout
