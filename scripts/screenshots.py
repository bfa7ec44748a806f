#!/usr/bin/env python3
"""Take the pictures of docs/ui.md: `make screenshots`. Needs Chromium, see tests/ui/conftest.py.

A csmsd of its own, with a few stations in memory; the pictures go to docs/images, and are looked at before they are
committed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import sync_playwright  # noqa: E402

from tests.ui.conftest import chromium  # noqa: E402
from tests.ui.site import Site  # noqa: E402

IMAGES = ROOT / "docs/images"
PREVIEW = "connector_id=1&stack_level=1&purpose=TxDefaultProfile&kind=Absolute&unit=A&limit0=16&start1=120&limit1=8.5"
# Name, path, theme, width.
PICTURES = (
    ("overview", "/ui/", "light", 1280),
    ("station", "/ui/stations/CP-1", "light", 1280),
    ("station-dark", "/ui/stations/CP-1", "dark", 1280),
    ("station-phone", "/ui/stations/CP-1", "light", 412),
    ("doctor", "/ui/connections?id=STRANGER", "light", 1280),
    ("message", "/ui/messages/20", "light", 1280),
    ("profile", f"/ui/stations/CP-1/profiles?{PREVIEW}", "light", 1280),
)


def main() -> None:
    """See the module."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = Site(Path(folder)).start()
        try:
            site.run(site.furnish)
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            for name, path, theme, width in PICTURES:
                look: Any = {"color_scheme": theme, "timezone_id": "Europe/Berlin"}
                context = browser.new_context(viewport={"width": width, "height": 800}, base_url=site.url, **look)
                key, value = site.run(site.session_of, "anna")
                zone: Any = {"name": "csmsd_zone", "value": "Europe/Berlin", "url": f"{site.url}/ui/"}
                context.add_cookies([{"name": key, "value": value, "url": site.url}, zone])
                page = context.new_page()
                page.goto(path)
                page.wait_for_timeout(1500)
                page.screenshot(path=IMAGES / f"ui-{name}.png")
                context.close()
            browser.close()
        finally:
            site.stop()


if __name__ == "__main__":
    main()
