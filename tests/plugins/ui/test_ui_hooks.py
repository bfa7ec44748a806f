"""Plugins on our pages: what they add is there, and what fails or dawdles costs its own place only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import pytest
import trio
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from csmsd import NoConfig, Plugin, hookimpl
from csmsd.testing import open_test_csms
from csmsd_ui import Column, FormHint, Fragment, NavItem, Pages, Panel
from csmsd_ui.principal import AnyRequest
from tests.plugins.web.management import Api


async def cells(ids: Sequence[str]) -> Mapping[str, str]:
    return {each: f"<{each}>" for each in ids}


async def no_cells(ids: Sequence[str]) -> Mapping[str, str]:
    raise RuntimeError("the price list is gone")


class Sample(Plugin[NoConfig]):
    """Adds something everywhere."""

    name = "sample"
    requires = ("ui",)

    @hookimpl(optionalhook=True)
    def ui_nav(self) -> Iterable[NavItem]:
        return [NavItem("Invoices", "/ui/x/invoices")]

    @hookimpl(optionalhook=True)
    def ui_columns(self) -> Iterable[Column]:
        return [Column("stations", "Tariff", cells), Column("stations", "Broken", no_cells)]

    @hookimpl(optionalhook=True)
    def ui_form_hints(self) -> Iterable[FormHint]:
        return [FormHint("RemoteStartTransaction", defaults={"idTag": "STAFF"}, help={"idTag": "Of the staff."})]

    @hookimpl(optionalhook=True)
    def ui_panels(self, pages: Pages) -> Iterable[Panel]:
        async def good(station_id: str) -> Fragment:
            return pages.fragment(None, "error_part.html", title=station_id, detail="<b>", id="")

        async def broken(station_id: str) -> Fragment:
            raise RuntimeError("<script>")

        async def slow(station_id: str) -> Fragment:
            await trio.sleep_forever()
            raise AssertionError

        async def text(station_id: str) -> Any:
            return "<script>1</script>"

        return [
            Panel("station", title, render)
            for title, render in (("Good", good), ("Broken", broken), ("Slow", slow), ("Text", text))
        ]

    @hookimpl(optionalhook=True)
    def ui_pages(self, pages: Pages) -> Sequence[ControllerRouterHandler]:
        @get("/invoices", scope="read")
        async def invoices(request: AnyRequest) -> Response[str]:
            return pages.respond(request, "error.html", title="Invoices", detail="12 <EUR>", id="")

        return [invoices]


@pytest.fixture
async def api(autojump_clock: trio.abc.Clock) -> AsyncIterator[Api]:
    async with open_test_csms(plugins=("core", "web", "ui", Sample)) as csms:
        station = await csms.connect("CP-1")
        assert station is not None
        yield await Api.administered(csms)


async def page(api: Api, path: str) -> str:
    async with api.client(await api.mint("admin")) as client:
        answer = await client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_page_and_its_entry_are_there(api: Api) -> None:
    text = await page(api, "/ui/x/invoices")
    assert "12 &lt;EUR&gt;" in text
    assert 'href="/ui/x/invoices" aria-current="page"' in text


async def test_a_column_is_asked_once_and_one_that_fails_says_so(api: Api) -> None:
    text = await page(api, "/ui/stations")
    assert "Tariff" in text
    assert "&lt;CP-1&gt;" in text
    assert "failed" in text


async def test_a_panel_that_breaks_or_dawdles_or_brings_plain_text_shows_an_error_in_its_place(api: Api) -> None:
    text = await page(api, "/ui/stations/CP-1")
    assert "Good cannot be shown" not in text
    assert "&lt;b&gt;" in text
    assert "Broken cannot be shown" in text
    assert "RuntimeError" in text
    assert "Slow cannot be shown" in text
    assert "no answer within 2 s" in text
    assert "Text cannot be shown" in text
    assert "<script>1" not in text
    assert "Send to station" in text


async def test_hints_fill_a_form_in(api: Api) -> None:
    text = await page(api, "/ui/stations/CP-1/commands/RemoteStartTransaction")
    assert 'value="STAFF"' in text
    assert "Of the staff." in text


async def test_errors_are_pages_for_people_and_problems_for_programs(api: Api) -> None:
    async with api.client(await api.mint("admin")) as client:
        shown = await client.get("/ui/stations/nobody", headers={"accept": "text/html"})
        told = await client.get("/ui/stations/nobody")
        part = await client.get("/ui/stations/nobody", headers={"hx-request": "true"})
    assert (shown.status_code, told.status_code, part.status_code) == (404, 404, 404)
    assert "<h1>Not Found</h1>" in shown.text
    assert told.json()["type"] == "urn:csmsd:unknown-station"
    assert "<html" not in part.text
    assert 'role="alert"' in part.text
