"""The audit: who changed what, and whether the record is whole."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from csmsd.host import AuditEntry, AuditFilter, AuditVerdict, Host
from csmsd_web.paging import AfterNumber, Limit, Page, link_after
from csmsd_web.problems import Problem

Action = Annotated[str, QueryParameter(description="`station.change`, or `station` for all that begins so.")]


@get("/audit", scope="operate", summary="List who changed what", tags=["Audit"])
async def list_audit(
    request: Request[Any, Any, Any],
    host: NamedDependency[Host],
    actor: FromQuery[str] = "",
    way: Annotated[str, QueryParameter(description="ui, api, cli, plugin or system.")] = "",
    action: Action = "",
    subject: FromQuery[str] = "",
    oldest_first: FromQuery[bool] = False,
    limit: Limit = 100,
    after: AfterNumber = None,
) -> Page[AuditEntry]:
    """Newest first, unless you ask otherwise. `before` and `after` are JSON texts."""
    before_id, after_id = (None, after or 0) if oldest_first else (after, None)
    wanted = AuditFilter(before_id, after_id, actor, way, action, subject, limit + 1)
    found = await host.audit.entries(wanted)
    if len(found) > limit:
        return Page(found[:limit], link_after(request, found[limit - 1].id))
    return Page(found)


@get("/audit/verify", scope="admin", summary="Verify the audit", tags=["Audit"])
async def verify_audit(
    host: NamedDependency[Host],
    anchor: Annotated[str, QueryParameter(description="A head that an earlier check has shown.")] = "",
) -> AuditVerdict:
    """Reads everything; `findings` is empty if no entry was changed, deleted, moved or forged."""
    try:
        return await host.audit.verify(anchor)
    except ValueError as error:
        raise Problem(400, "invalid-request", str(error)) from None


ROUTES = [list_audit, verify_audit]
