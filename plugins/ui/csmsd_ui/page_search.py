"""The palette: what somebody may mean by a few letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Response, get
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from csmsd_ui.desk import Desk
from csmsd_ui.nav import menu
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import segment

MOST = 8  # of each kind


@dataclass(frozen=True, slots=True)
class Found:
    """A line of the palette."""

    kind: str
    text: str
    path: str
    more: str = ""


def search_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """One fragment, or a page for those without a script."""

    @get("/ui/search", scope="read")
    async def search(request: AnyRequest, q: FromQuery[str] = "") -> Response[str]:
        """Stations by a part of their names, tags by their beginning, transactions by number, pages, commands."""
        word, viewer = q.strip(), desk.viewer(request)
        found: list[Found] = []
        if word:
            found += await _stations(word, viewer.may("operate"))
            if word.isdecimal() and len(word) < 12:
                found.append(Found("Transaction", str(int(word)), f"/ui/transactions/{int(word)}"))
            tags = await desk.core.tags.page(prefix=word, limit=MOST)
            found += [Found("Tag", tag.id_tag, f"/ui/tags/{segment(tag.id_tag)}", tag.note) for tag in tags]
            pages = [item for _, items in menu(desk, viewer) for item in items]
            found += [
                Found("Page", each.label, each.path) for each in pages if word.casefold() in each.label.casefold()
            ]
        if request.headers.get("hx-request") == "true":
            return desk.pages.answer(request, "search_found.html", found=found, q=word)
        return desk.pages.respond(request, "search.html", title="Search", found=found, q=word)

    async def _stations(word: str, may_operate: bool) -> list[Found]:
        first, _, rest = word.partition(" ")
        actions = {name.casefold(): name for name in desk.host.commands.known}
        action = (
            next((name for folded, name in actions.items() if folded.startswith(first.casefold())), "") if rest else ""
        )
        wanted = (rest if action else word).strip().casefold()
        fleet = await desk.figures.fleet()
        matching = [
            record
            for record in fleet.records
            if wanted in record.id.casefold() or (record.serial_number and wanted in record.serial_number.casefold())
        ]
        matching.sort(key=lambda record: (record.id.casefold() != wanted, not record.id.casefold().startswith(wanted)))
        if action and may_operate:
            return [
                Found("Command", f"{action} {record.id}", f"/ui/stations/{segment(record.id)}/commands/{action}")
                for record in matching[:MOST]
            ]
        return [
            Found("Station", record.id, f"/ui/stations/{segment(record.id)}", record.note) for record in matching[:MOST]
        ]

    return [search]
