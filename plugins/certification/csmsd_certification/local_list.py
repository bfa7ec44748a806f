"""Local Auth List Management."""

from __future__ import annotations

from csmsd_certification.case import CaseTable
from csmsd_certification.charger import Fields
from csmsd_certification.execution import Execution

LOCAL_LIST = CaseTable("Local Auth List Management")
_case = LOCAL_LIST.case


async def _send(execution: Execution, version: int, kind: str, tags: list[str], status: str) -> None:
    entries: list[Fields] = [{"idTag": tag, "idTagInfo": {"status": "Accepted"}} for tag in tags]
    ordered = {"listVersion": version, "updateType": kind, "localAuthorizationList": entries}
    await execution.order("SendLocalList", ordered, status=status)


@_case("TC_042_1", "Get local list version - not supported", "GetLocalListVersion")
async def version_not_supported(execution: Execution) -> None:
    """-1: there is no list."""
    await execution.order("GetLocalListVersion", listVersion=-1)


@_case("TC_042_2", "Get local list version - empty", "GetLocalListVersion")
async def version_of_empty_list(execution: Execution) -> None:
    """0: the list is empty."""
    await execution.order("GetLocalListVersion", listVersion=0)


@_case("TC_043_1", "Send local authorization list - not supported", "SendLocalList")
async def list_not_supported(execution: Execution) -> None:
    """There is no list."""
    await _send(execution, 1, "Full", [await execution.tag()], "NotSupported")


@_case("TC_043_3", "Send local authorization list - failed", "SendLocalList")
async def list_failed(execution: Execution) -> None:
    """It cannot be stored."""
    await _send(execution, 1, "Full", [await execution.tag()], "Failed")


@_case("TC_043_4", "Send local authorization list - full", "SendLocalList")
async def full_list(execution: Execution) -> None:
    """Every entry has idTagInfo."""
    await _send(execution, 1, "Full", [await execution.tag(), await execution.tag()], "Accepted")


@_case("TC_043_5", "Send local authorization list - differential", "SendLocalList", "GetLocalListVersion")
async def differential_list(execution: Execution) -> None:
    """A list, and then only what is new, with a greater version."""
    await _send(execution, 1, "Full", [await execution.tag()], "Accepted")
    await execution.order("GetLocalListVersion", listVersion=1)
    await _send(execution, 2, "Differential", [await execution.tag()], "Accepted")
