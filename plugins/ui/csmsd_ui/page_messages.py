"""The inspector: exchanges with stations, live, and for each one who decided its answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from litestar import Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from litestar.types import ASGIApp, ControllerRouterHandler

from csmsd.events import Event
from csmsd.host import Host
from csmsd.journal import Exchange, ExchangeFilter
from csmsd_ui.desk import Desk
from csmsd_ui.filters import Filter, parse
from csmsd_ui.forms import flat
from csmsd_ui.live import LiveView, Part
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import Viewer, query_of

ROWS = 50
READ = 200  # at a time
AT_ONCE = 20  # new rows in one message of the stream; whoever wants all of them narrows the filter
LOOKS = 3  # at what the journal writes without hurry
MOST_ROUNDS = 20  # reads for one page of a filter that little fits
FIELDS = ("station", "action", "direction", "error", "dev", "by")


def fits(exchange: Exchange, wanted: Filter) -> bool:
    """What the database does not filter."""
    if exchange.action in wanted.excluded("action") or exchange.station_id in wanted.excluded("station"):
        return False
    direction = wanted.value("direction")
    if direction is not None and exchange.direction != direction:
        return False
    rules = [each for each in wanted.values("dev") if each != "yes"]
    if rules and not any(found.rule in rules for found in exchange.deviations):
        return False
    by = wanted.value("by")
    if by is not None and not any(step.plugin == by for step in exchange.trace):
        return False
    return wanted.finds(exchange.station_id, exchange.action, exchange.request, exchange.response or "", exchange.error)


def to_read(wanted: Filter, *, before: int | None = None, after: int | None = None, limit: int) -> ExchangeFilter:
    """What the database filters."""
    return ExchangeFilter(
        wanted.value("station"),
        wanted.value("action"),
        only_errors=bool(wanted.values("error")),
        only_deviating=bool(wanted.values("dev")),
        before_id=before,
        after_id=after,
        limit=limit,
    )


async def one_page(host: Host, wanted: Filter, before: int | None) -> tuple[list[Exchange], int | None]:
    """Fifty that fit, and where to go on; a filter that hardly anything fits ends after a few reads."""
    found: list[Exchange] = []
    for _ in range(MOST_ROUNDS):
        read = await host.journal.exchanges(to_read(wanted, before=before, limit=READ))
        for exchange in read:
            before = exchange.id
            if fits(exchange, wanted):
                found.append(exchange)
                if len(found) == ROWS:
                    return found, before
        if len(read) < READ:
            return found, None
    return found, before


class LiveMessages(LiveView):
    """New rows, put in front of the others once the database has them."""

    kinds = frozenset({"exchange"})

    def __init__(self, desk: Desk, wanted: Filter, newest: int, viewer: Viewer) -> None:
        self._desk, self._wanted, self._newest, self._viewer = desk, wanted, newest, viewer
        self.station_id = wanted.value("station")
        self._looks = 0  # how often to look for what has happened

    def dirtied(self, event: Event) -> Iterable[str]:
        """See LiveView."""
        self._looks = LOOKS
        return ("rows",)

    @property
    def unsettled(self) -> frozenset[str]:
        """What happened may not be in the database yet."""
        return frozenset({"rows"}) if self._looks else frozenset()

    async def render(self, dirty: frozenset[str]) -> Sequence[Part]:
        """See LiveView."""
        read = await self._desk.host.journal.exchanges(to_read(self._wanted, after=self._newest, limit=200))
        self._looks = 1 if read else max(0, self._looks - 1)
        if not read:
            return ()
        self._newest = max(exchange.id for exchange in read)
        new = [exchange for exchange in read if fits(exchange, self._wanted)]
        if not new:
            return ()
        pages = self._desk.pages
        html = pages.fragment(self._viewer, "messages_rows.html", exchanges=new[:AT_ONCE], more=len(new) - AT_ONCE)
        return [Part("rows", html, "afterbegin")]


def message_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The list, its stream, and one exchange."""

    @get("/ui/messages", scope="read")
    async def messages(
        request: AnyRequest, q: FromQuery[str] = "", before: FromQuery[int | None] = None
    ) -> Response[str]:
        """Newest first."""
        wanted = parse(q, FIELDS)
        found, following = await one_page(desk.host, wanted, before)
        live = "/ui/events/messages" + query_of(q=q, newest=found[0].id if found else 0)
        return desk.pages.respond(
            request,
            "messages.html",
            title="Messages",
            live="" if before is not None else live,
            exchanges=found,
            q=q,
            words=wanted.removable(),
            unknown=wanted.unknown,
            next="/ui/messages" + query_of(q=q, before=following) if following is not None else "",
            first="/ui/messages" + query_of(q=q) if before is not None else "",
            quick=(("All", ""), ("Errors", "error:yes"), ("Deviations", "dev:yes"), ("To stations", "direction:out")),
        )

    @get("/ui/events/messages", scope="read")
    async def watch(request: AnyRequest, q: FromQuery[str] = "", newest: FromQuery[int] = 0) -> ASGIApp:
        """Those that come."""
        return desk.stream(request, LiveMessages(desk, parse(q, FIELDS), newest, desk.viewer(request)))

    @get("/ui/messages/{exchange_id:int}", scope="read")
    async def message(request: AnyRequest, exchange_id: FromPath[int]) -> Response[str]:
        """Request, answer, what was odd, and how it was decided."""
        found = await desk.host.journal.exchanges(
            ExchangeFilter(before_id=exchange_id + 1, after_id=exchange_id - 1, limit=1)
        )
        if not found:
            raise HTTPException(detail=f"There is no message {exchange_id}, or not any more.", status_code=404)
        (exchange,) = found
        around = ExchangeFilter(exchange.station_id, before_id=exchange_id + 6, limit=11)
        return desk.pages.respond(
            request,
            "message.html",
            title=f"{exchange.action or 'Message'} of {exchange.station_id}",
            x=exchange,
            around=await desk.host.journal.exchanges(around),
            again=_again(exchange, desk),
        )

    return [messages, watch, message]


def _again(exchange: Exchange, desk: Desk) -> str:
    """The query of a form that is filled in with this command; "" if it is none of ours."""
    if exchange.direction != "out" or exchange.action not in desk.host.commands.known:
        return ""
    try:
        return query_of(**flat(json.loads(exchange.request, parse_float=str, parse_int=str)))
    except (ValueError, RecursionError):
        return ""
