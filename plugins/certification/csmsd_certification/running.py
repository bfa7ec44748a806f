"""Runs cases side by side, each with a station and id tags of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import trio

from csmsd.errors import Bug, CsmsdError
from csmsd_certification.case import Case, CaseFailed
from csmsd_certification.central import CentralSystem, NotApplicable
from csmsd_certification.execution import Execution
from csmsd_certification.results import CaseResult, Failure, Report, draw_up

log = logging.getLogger("csmsd.plugin.certification")
Progress = Callable[[CaseResult], None]
Beginning = Callable[[Case], None]


async def run_cases(
    central: CentralSystem,
    cases: Sequence[Case],
    *,
    timeout: float,
    at_once: int,
    begins: Beginning = lambda _case: None,
    progress: Progress = lambda _result: None,
    scope: trio.CancelScope | None = None,
) -> Report:
    """The report; a step may take `timeout` seconds, `at_once` cases run at the same time, or as many as it bears.

    Who cancels `scope` gets a report of those that have ended by then.
    """
    began_at, began = datetime.now(UTC), trio.current_time()
    results: dict[str, CaseResult] = {}
    room = trio.CapacityLimiter(min(at_once, central.most_at_once or at_once))

    async def run(case: Case) -> None:
        begins(case)
        results[case.id] = await run_case(central, case, timeout)
        progress(results[case.id])
        room.release_on_behalf_of(case)

    with scope or trio.CancelScope():
        async with trio.open_nursery() as nursery:
            for case in cases:  # they begin in this order, which trio would not see to
                await room.acquire_on_behalf_of(case)
                nursery.start_soon(run, case)
    ordered = [results[case.id] for case in cases if case.id in results]
    left = [case.id for case in cases if case.id not in results]
    return draw_up(began_at, trio.current_time() - began, central.info, ordered, left)


async def run_case(central: CentralSystem, case: Case, timeout: float) -> CaseResult:
    """One case, from provisioning to the end of its connection."""
    lacking = central.lacks(case.needs)
    if lacking:
        return _not_applicable(case, central.why_lacking(lacking), lacking)
    obstacle = _obstacle(central, case)
    if obstacle:
        return _not_applicable(case, obstacle)
    began = trio.current_time()
    failure: Failure | None = None
    reason = ""
    async with trio.open_nursery() as nursery:
        execution = Execution(case, central, nursery, timeout)
        try:
            await execution.provision()
            await execution.connect()
            await case.body(execution)
        except CaseFailed as failed:
            failure = Failure(failed.step, failed.expected, failed.got)
        except NotApplicable as cause:
            reason = str(cause)
        except CsmsdError as error:
            failure = Failure("what drives the system", "its work done", str(error))
        except Bug as error:
            log.exception("%s is not written well", case.id)
            failure = Failure("the case itself", "no error", f"{type(error).__name__}: {error}")
        await execution.charger.leave()
        nursery.cancel_scope.cancel()
    if reason:
        return _not_applicable(case, reason)
    wire = execution.log
    return CaseResult(
        case.id,
        case.name,
        case.functionality,
        "Fail" if failure else "Pass",
        trio.current_time() - began,
        failure,
        messages=tuple(sorted(wire.messages)),
        measured=tuple(wire.measured),
        wire=tuple(wire.lines) if failure else (),
    )


def _obstacle(central: CentralSystem, case: Case) -> str:
    """Why this system cannot be asked for the case; "" if it can."""
    if case.raised_to and central.lowest_profile > case.security_profile:
        return f"there is no listener for security profile {case.security_profile} to begin with"
    return central.obstacle(max(case.security_profile, case.raised_to))


def _not_applicable(case: Case, reason: str, lacking: Sequence[str] = ()) -> CaseResult:
    return CaseResult(case.id, case.name, case.functionality, "Not applicable", lacking=tuple(lacking), reason=reason)
