"""The audit: who did what, by which way, with before and after; and whether its chain is whole."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get, post
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from csmsd.host import AuditFilter, AuditVerdict
from csmsd_ui.desk import Desk
from csmsd_ui.filters import parse
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import query_of

ROWS = 50
FIELDS = ("actor", "way", "action", "subject")


def audit_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The list, and the check."""

    async def show(
        request: AnyRequest, q: str, before: int | None, verdict: AuditVerdict | None = None
    ) -> Response[str]:
        wanted = parse(q, FIELDS)
        found = list(
            await desk.host.audit.entries(
                AuditFilter(
                    before_id=before,
                    actor=wanted.value("actor") or "",
                    way=wanted.value("way") or "",
                    action=wanted.value("action") or "",
                    subject=wanted.value("subject")
                    or next((each.value for each in wanted.terms if not each.field), ""),
                    limit=ROWS + 1,
                )
            )
        )
        has_more, found = len(found) > ROWS, found[:ROWS]
        return desk.pages.respond(
            request,
            "audit.html",
            title="Audit",
            entries=found,
            q=q,
            unknown=wanted.unknown,
            verdict=verdict,
            next="/ui/audit" + query_of(q=q, before=found[-1].id) if has_more else "",
            first="/ui/audit" + query_of(q=q) if before is not None else "",
        )

    @get("/ui/audit", scope="operate")
    async def audit(request: AnyRequest, q: FromQuery[str] = "", before: FromQuery[int | None] = None) -> Response[str]:
        """Newest first."""
        return await show(request, q, before)

    @post("/ui/audit/verify", scope="admin", status_code=200)
    async def verify(request: AnyRequest) -> Response[str]:
        """Read everything and check the chain."""
        return await show(request, "", None, await desk.host.audit.verify())

    return [audit, verify]
