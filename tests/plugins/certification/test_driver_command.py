"""`csmsd certify --driver command`: another central system is certified by a program of the tester's."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import trio

from csmsd.config import Access
from csmsd.errors import CsmsdError
from csmsd_certification.central import NotApplicable, Outcome
from csmsd_certification.driver import DriverFailed
from csmsd_certification.remote import Remote, open_remote
from csmsd_certification.rendering import as_text
from csmsd_certification.results import CaseResult, Failure
from tests.plugins.certification.remote_csmsd import (
    NOWHERE,
    PATIENCE,
    PLUGINS,
    certify,
    open_remote_csmsd,
    verdicts,
)

DRIVE = Path(__file__).with_name("drive_csmsd.py")


def program(*words: object) -> str:
    """A Python program that starts quickly."""
    return "program=" + shlex.join([sys.executable, "-IS", *map(str, words)])


async def test_another_csmsd_passes_everything_by_a_program(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        report = await certify(csmsd.remote("command", program(DRIVE, csmsd.api, csmsd.token)))
        assert set(verdicts(report).values()) == {"Pass"}, as_text(report)
        assert (report.system.name, report.system.version) == ("A csmsd", version("csmsd"))
        assert ("Mood", "good") in report.system.configuration
        assert list(csmsd.host.stations.records()) == [], "end was told what there was"


def answering(**answers: Any) -> str:
    """A program with one answer for each order, {} for others."""
    script = f"import json, sys; a = {answers!r}; print(json.dumps(a.get(json.load(sys.stdin)['order'], {{}})))"
    return program("-c", script)


def by_program(*options: str, url: str = NOWHERE) -> Remote:
    return Remote(url, driver="command", driver_options=options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "the driver command needs --driver-option program=…: The program and its arguments, as in a shell."),
        (("program=",), "--driver-option program: name a program"),
        (("program=it's",), "--driver-option program: it's: No closing quotation"),
        (("program=/no/such/program",), "/no/such/program cannot be found, or cannot be executed"),
        ((program("-c", "print('hello')"),), "answered the order begin with something else than the JSON expected"),
        ((program("-c", "print('hello')"),), "hello"),
        ((program("-c", "pass"),), ": nothing"),
        ((program("-c", "print([])"),), "Expected `object`, got `array`"),
        ((program("-c", "raise SystemExit('no licence')"),), "failed at the order begin with exit code 1: no licence"),
        ((program("-c", "raise SystemExit(3)"),), "failed at the order begin with exit code 3"),
        (("timeout=0.3", "program=sleep 60"), "was not done with the order begin after 0.3 s, and was ended"),
        (("program=yes",), "yes printed more than 1048576 bytes for the order begin"),
        ((answering(begin={"error": "no network"}),), "begin: no network"),
        (("program=cat", "timeout=0"), "timeout must be a number above 0 and of at most 600, not"),
        (("programm=cat",), "the driver command has no such option; did you mean program?"),
        (("colour=red",), "the driver command has no such option; its options: program, timeout"),
        (("program",), "--driver-option program: expected KEY=VALUE"),
    ],
)
async def test_a_program_that_cannot_be_used_is_named_before_the_first_case(
    options: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(CsmsdError, match=re.escape(complaint)):
        async with open_remote(by_program(*options), PLUGINS, PATIENCE):
            pytest.fail("it was opened")


async def test_a_program_that_hangs_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = tmp_path / "script"
    script.write_text(f"sleep 60 & echo $! > {pid_file}; wait")
    with pytest.raises(CsmsdError, match="was not done"):
        async with open_remote(by_program(f"program=sh {script}", "timeout=0.5"), PLUGINS, PATIENCE):
            pytest.fail("it was opened")
    with trio.fail_after(PATIENCE):
        while not _has_ended(int(pid_file.read_text())):  # noqa: ASYNC110 - another process has no Event
            await trio.sleep(0.01)


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def one_case(answers: dict[str, Any], case: str, folder: Path, timeout: float = PATIENCE) -> CaseResult:
    """Anybody may connect, so that the program need not do anything."""
    access = Access(unknown_stations="register", authentication="optional")
    async with open_remote_csmsd(folder, access=access) as csmsd:
        report = await certify(by_program(answering(**answers), url=csmsd.url), case, timeout=timeout)
    return report.cases[0]


@pytest.mark.parametrize(
    ("answers", "step", "got"),
    [
        ({"put_station": {"error": "no such tenant"}}, "what drives the system", "put_station: no such tenant"),
        ({"send": {}}, "what drives the system", f"{sys.executable} answered the order send without an id"),
        ({"send": {"refused": "too late at night"}}, "ClearCache.req", "refused: too late at night"),
    ],
)
async def test_a_program_that_fails_at_an_order_fails_the_case(
    answers: dict[str, Any], step: str, got: str, tmp_path: Path
) -> None:
    failure = (await one_case(answers, "TC_061", tmp_path)).failure
    assert failure is not None
    assert (failure.step, failure.got) == (step, got)


async def test_a_command_that_never_arrives_is_waited_for_no_longer_than_a_step(tmp_path: Path) -> None:
    failure = (await one_case({"send": {"id": "1"}}, "TC_061", tmp_path, timeout=0.5)).failure
    assert failure == Failure("ClearCache.req", "a message", "nothing within 0.5 s")


async def test_what_a_program_says_is_not_possible_does_not_count(tmp_path: Path) -> None:
    case = await one_case({"send": {"not_applicable": "it has no cache"}}, "TC_061", tmp_path)
    assert (case.verdict, case.reason) == ("Not applicable", "it has no cache")


async def test_what_a_program_says_the_system_lacks_does_not_count(tmp_path: Path) -> None:
    case = await one_case({"begin": {"name": "Elsewhere", "lacks": ["ClearCache"]}}, "TC_061", tmp_path)
    assert (case.verdict, case.reason) == ("Not applicable", "Elsewhere does not offer ClearCache")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"state": "answered", "result": {"status": "Accepted"}}, Outcome("answered", b'{"status":"Accepted"}')),
        ({"state": "timeout", "error": "too late"}, Outcome("timeout", b"{}", "too late")),
        ({}, "answered the order outcome without a state"),
        ({"error": "no such command"}, "outcome: no such command"),
    ],
)
async def test_a_program_tells_what_became_of_a_command(answer: dict[str, Any], outcome: Outcome | str) -> None:
    remote = by_program(answering(send={"id": "7"}, outcome=answer))
    async with open_remote(remote, PLUGINS, PATIENCE) as central:
        command_id = await central.send("CERT-1", "ClearCache", b"{}")
        if isinstance(outcome, Outcome):
            assert await central.outcome(command_id) == outcome
            return
        with pytest.raises(DriverFailed, match=outcome):
            await central.outcome(command_id)


async def test_a_system_that_does_not_show_answers_is_certified_without_them(tmp_path: Path) -> None:
    async with open_remote_csmsd(tmp_path) as csmsd:
        inner = shlex.join([sys.executable, "-IS", str(DRIVE), csmsd.api, csmsd.token])
        blind = tmp_path / "blind"
        blind.write_text(
            "order=$(cat)\n"
            'case $order in *\'"begin"\'*) echo \'{"name": "Blind", "outcomes": false}\' ;;\n'
            "*'\"outcome\"'*) exit 9 ;;\n"
            f'*) printf %s "$order" | {inner} ;; esac\n'
        )
        report = await certify(csmsd.remote("command", f"program=sh {blind}"), "TC_013", "TC_026")
    assert set(verdicts(report).values()) == {"Pass"}, as_text(report)
    assert ("Stations' answers", "not visible to the driver, so not compared") in report.system.configuration


README = Path(__file__).parents[3] / "plugins/certification/README.md"


async def test_the_program_in_the_readme_does_what_is_said_of_it(tmp_path: Path) -> None:
    (found,) = re.findall(r"```python\n(import json, sys\n.*?)```", README.read_text(), re.DOTALL)
    script = tmp_path / "steve.py"
    script.write_text(found)
    async with open_remote(by_program(program(script)), PLUGINS, PATIENCE) as central:
        assert (central.info.name, central.info.version) == ("SteVe", "3.7.1")
        assert central.lacks(["SignCertificate", "Reset"]) == ["SignCertificate"]
        await central.put_station("CERT-1", "secret", 1)
        with pytest.raises(NotApplicable, match="this script has not learnt that"):
            await central.send("CERT-1", "Reset", b"{}")
