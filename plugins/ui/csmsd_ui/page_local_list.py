"""The local list of a station: the mirror, whether it can be trusted, and bringing it in line."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd_localauth import LocalAuthPlugin
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import query_of, segment
from csmsd_ui.station_view import about
from csmsd_ui.tabs import head_of
from csmsd_ui.targets import back_to

MOST = 200


def local_list_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The tab, and its one action."""

    def plugin() -> LocalAuthPlugin:
        found = desk.plugin(LocalAuthPlugin, "localauth")
        if found is None:
            raise HTTPException(detail="The plugin localauth is off.", status_code=404)
        return found

    @get("/ui/stations/{station_id:str}/local-list", scope="read")
    async def local_list(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """What the station has, as far as csmsd knows."""
        head = head_of(desk, desk.viewer(request), station_id, "local-list", (await about(desk, station_id)).line)
        state = await plugin().lists.settled(station_id)
        entries = list((await plugin().lists.entries_of(station_id)).values())
        return desk.pages.respond(
            request,
            "local_list.html",
            title=f"Local list of {station_id}",
            head=head,
            state=state,
            entries=entries[:MOST],
            hidden=max(0, len(entries) - MOST),
            came=request.query_params.get("came", ""),
        )

    @post("/ui/stations/{station_id:str}/local-list", scope="operate", status_code=303)
    async def sync(request: AnyRequest, station_id: FromPath[str]) -> Redirect:
        """Send what has changed, or all of it."""
        form = await request.form()
        station, is_full = desk.host.stations.get(station_id), form.get("do") == "full"
        desk.host.audit.record(request.user, "local_list.sync", station_id, None, {"full": is_full})
        result = await plugin().synchroniser.sync(station, force_full=is_full)
        came = "; ".join((result.outcome, *result.messages))
        return back_to(f"/ui/stations/{segment(station_id)}/local-list" + query_of(came=came))

    return [local_list, sync]
