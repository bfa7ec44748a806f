"""Deviations of the whole fleet, rule by rule."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest

MOST = 200


def deviation_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """One page."""

    @get("/ui/deviations", scope="read")
    async def deviations(request: AnyRequest, rule: FromQuery[str] = "") -> Response[str]:
        """Rules with their counts; with `rule` who breaks it."""
        counted = await desk.host.journal.deviations()
        rules: dict[str, list[int]] = {}
        for each in counted:
            found = rules.setdefault(each.rule, [0, 0])
            found[0] += 1
            found[1] += each.count
        chosen = [each for each in counted if not rule or each.rule == rule]
        return desk.pages.respond(
            request,
            "deviations.html",
            title="Deviations",
            rules=sorted(rules.items(), key=lambda item: -item[1][1]),
            rule=rule,
            deviations=chosen[:MOST],
            hidden=max(0, len(chosen) - MOST),
        )

    return [deviations]
