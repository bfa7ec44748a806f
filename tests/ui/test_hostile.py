"""What stations send is text, whatever it looks like: nothing of it runs, hides, or breaks a page."""

from __future__ import annotations

import json

import pytest

from tests.ui.conftest import Visit
from tests.ui.site import Site

RUN = "window.pwned=1"
SEEDS = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f'"><svg onload={RUN}>',
    f"'-{RUN}-'",
    f"javascript:{RUN}",
    "</script>",
    "<!--",
    "]]>",
    "</title>",
    "</textarea><b>",
    "{{7*7}}",
    "{% raw %}",
    "${7*7}",
    "#{7*7}",
    "&lt;b&gt;",
    "&#x3c;b",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\u200b",
    "\ufeff",
    "a\u0000b",
    "a\tb",
    "\u2028",
    "\x1b[31m",
    "'; DROP TABLE x; --",
    "../../etc",
    "%2e%2e",
    "%00",
    "?a=b#c",
    "a/b",
    "hx-get=/x",
    'x" hx-on:load="' + RUN,
    "data-hx-get",
    "=1+1",
    "@SUM(1)",
    "<hx-partial>",
    "<template hx>",
    "<base href=//x>",
    "<meta http-equiv=refresh>",
    "<a href=javascript:1>",
    "Ａ＜script＞",
    "<iframe srcdoc=x>",
    "<style>*{}</style>",
    "\"'`<>&",
    "\\",
    "%s%n",
    "𝕏",
    "é" * 30,
)
WRAPS = ("{}", "A{}", "{}Z", " {} ", '"{}', "'{}'")
STRINGS = [wrap.format(seed) for seed in SEEDS for wrap in WRAPS][:240]
PAGES = (
    "", "/transactions", "/configuration", "/connections", "/deviations", "/edit", "/commands", "/firmware",
    "/reservations", "/local-list", "/certificates", "/profiles",
)  # fmt: skip


async def _attack(site: Site) -> None:
    """Every field that a station fills, filled with every string; some are refused, and that is fine."""
    station = await site.csms.connect("EVIL")
    for number, text in enumerate(STRINGS):
        for action, payload in (
            ("BootNotification", {"chargePointVendor": text, "chargePointModel": text, "firmwareVersion": text,
                                  "chargePointSerialNumber": text, "iccid": text, "imsi": text, "meterType": text}),
            ("StatusNotification", {"connectorId": 1 + number % 3, "status": "Faulted", "errorCode": text, "info": text,
                                    "vendorId": text, "vendorErrorCode": text}),
            ("Authorize", {"idTag": text[:20]}),
            ("StartTransaction", {"connectorId": 1, "idTag": text[:20], "meterStart": number,
                                  "timestamp": "2026-01-01T00:00:00Z" if number % 2 else text}),
            ("DataTransfer", {"vendorId": text, "messageId": text, "data": text}),
            (text[:50], {"a": text}),
        ):  # fmt: skip
            try:
                await station.send_raw(action, json.dumps(payload).encode())
            except Exception:
                continue


@pytest.fixture(scope="module")
def attacked(site: Site) -> Site:
    site.run(_attack, site)
    return site


def test_there_are_many_strings() -> None:
    assert len(set(STRINGS)) >= 200


def test_nothing_that_a_station_sends_runs(visit: Visit, attacked: Site) -> None:
    page = visit("/ui/")
    pages = ["/ui/", "/ui/stations", "/ui/messages?q=station:EVIL", "/ui/deviations", "/ui/connections?id=EVIL"]
    pages += [f"/ui/stations/EVIL{tab}" for tab in PAGES]
    pages += ["/ui/transactions", "/ui/repairs", *(f"/ui/transactions/{number}" for number in range(2, 30, 3))]
    pages += [f"/ui/messages/{number}" for number in range(60, 1400, 55)]
    broken: list[str] = []
    for path in pages:
        answer = page.goto(path)
        if answer is None or answer.status != 200:
            broken.append(f"{path}: {answer and answer.status}")
        if page.evaluate("window.pwned"):
            broken.append(f"{path}: it ran")
        if not page.locator("main h1").first.is_visible():
            broken.append(f"{path}: no heading")
    assert not broken, "\n".join(broken)


def test_characters_that_hide_or_turn_are_written_out(visit: Visit, attacked: Site) -> None:
    page = visit("/ui/messages?q=station:EVIL+gnp.exe")
    text = page.locator("#rows").inner_text()
    assert "\\u202egnp.exe" in text
    assert "\u202e" not in text
    page.goto("/ui/stations/EVIL")
    assert not {"\u202e", "\u2066", "\u200b", "\ufeff", "\x1b"} & set(page.locator("main").inner_text())
