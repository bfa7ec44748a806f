"""What came out of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from csmsd_certification.case import Functionality
from csmsd_certification.central import SystemInfo
from csmsd_certification.wire import Line, Measured

LIMIT = 60.0  # seconds; of the OCA's abstract: OCPP response time and Authorize response time
Verdict = Literal["Pass", "Fail", "Not applicable"]


class Failure(msgspec.Struct, frozen=True):
    """Which step failed, and how."""

    step: str
    expected: str
    got: str


class CaseResult(msgspec.Struct, frozen=True):
    """One case."""

    id: str
    name: str
    functionality: Functionality
    verdict: Verdict
    seconds: float = 0.0
    failure: Failure | None = None
    lacking: tuple[str, ...] = ()  # messages that the system does not offer
    reason: str = ""  # why it is not applicable
    messages: tuple[str, ...] = ()  # OCPP names of actions and commands that were on the wire
    measured: tuple[Measured, ...] = ()
    wire: tuple[Line, ...] = ()  # of a failed case


class ResponseTime(msgspec.Struct, frozen=True):
    """A measured time against its limit, in seconds; None: nothing was measured."""

    name: str
    longest: float | None
    median: float | None
    count: int
    limit: float

    @property
    def verdict(self) -> Verdict:
        """Fail: too slow."""
        if self.longest is None:
            return "Not applicable"
        return "Pass" if self.longest <= self.limit else "Fail"


class Exercised(msgspec.Struct, frozen=True):
    """A plugin, and which of its messages were on the wire in how many cases."""

    name: str
    version: str
    messages: tuple[tuple[str, int], ...]


class FunctionalityResult(msgspec.Struct, frozen=True):
    """A line of the abstract."""

    name: Functionality
    verdict: Verdict
    passed: int
    failed: int
    not_applicable: int


class Report(msgspec.Struct, frozen=True):
    """All of it."""

    began_at: datetime
    seconds: float
    system: SystemInfo
    functionalities: tuple[FunctionalityResult, ...]
    response_times: tuple[ResponseTime, ...]
    plugins: tuple[Exercised, ...]
    cases: tuple[CaseResult, ...]
    not_run: tuple[str, ...] = ()  # cases that were wanted, too, when the run was stopped

    @property
    def has_passed(self) -> bool:
        """Nothing failed or was left out, and something passed."""
        if self.not_run:
            return False
        verdicts = [each.verdict for each in self.functionalities] + [each.verdict for each in self.response_times]
        return "Fail" not in verdicts and "Pass" in verdicts


def draw_up(
    began_at: datetime, seconds: float, system: SystemInfo, cases: Sequence[CaseResult], not_run: Sequence[str] = ()
) -> Report:
    """The report of a run."""
    measured = [each for case in cases for each in case.measured]
    names: list[Functionality] = list(dict.fromkeys([case.functionality for case in cases]))
    return Report(
        began_at,
        seconds,
        system,
        tuple(_functionality(name, cases) for name in names),
        (
            _response_time("OCPP response time", [each.seconds for each in measured]),
            _response_time(
                "Authorize response time", [each.seconds for each in measured if each.action == "Authorize"]
            ),
        ),
        tuple(
            Exercised(
                plugin.name,
                plugin.version,
                tuple(
                    (name, uses) for name in plugin.messages if (uses := sum(name in case.messages for case in cases))
                ),
            )
            for plugin in system.plugins
        ),
        tuple(cases),
        tuple(not_run),
    )


def _functionality(name: Functionality, cases: Sequence[CaseResult]) -> FunctionalityResult:
    verdicts = [case.verdict for case in cases if case.functionality == name]
    failed, passed = verdicts.count("Fail"), verdicts.count("Pass")
    verdict: Verdict = "Fail" if failed else "Pass" if passed else "Not applicable"
    return FunctionalityResult(name, verdict, passed, failed, verdicts.count("Not applicable"))


def _response_time(name: str, seconds: list[float]) -> ResponseTime:
    if not seconds:
        return ResponseTime(name, None, None, 0, LIMIT)
    ordered = sorted(seconds)
    return ResponseTime(name, ordered[-1], ordered[len(ordered) // 2], len(ordered), LIMIT)
