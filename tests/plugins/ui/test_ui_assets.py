"""What is served to browsers is what was vendored, and stays with them."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

from csmsd.testing import open_test_csms
from csmsd_ui.assets import Assets
from tests.plugins.web.management import Api

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "plugins/ui/csmsd_ui/static"


def size(*names: str) -> int:
    return sum(len(gzip.compress((STATIC / name).read_bytes())) for name in names)


def test_vendored_files_are_those_of_their_checksums() -> None:
    for folder in (STATIC / "vendor", ROOT / "tests/ui/vendor"):
        lines = (folder / "SHA256SUMS").read_text().splitlines()
        present = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and path.name != "SHA256SUMS"
        }
        assert present == {name: digest for digest, name in (line.split("  ") for line in lines)}
    subprocess.run([sys.executable, ROOT / "scripts/vendor.py", "--check"], check=True)


def test_a_first_visit_costs_what_was_promised() -> None:
    htmx = ("vendor/htmx/htmx.min.js", "vendor/htmx/hx-sse.min.js")
    assert size("csmsd.css", "vendor/uplot/uPlot.min.css") <= 9_500
    assert size(*htmx, "csmsd.js") <= 25_000
    assert size(*htmx, "csmsd.js", "charts.js", "vendor/uplot/uPlot.iife.min.js") <= 47_000


async def test_files_are_kept_for_ever_under_the_hash_of_all_of_them() -> None:
    async with open_test_csms(plugins=("core", "web", "ui")) as csms:
        api = Api(csms)
        assets = Assets()
        async with api.client("") as client:
            answer = await client.get(assets.url("csmsd.css"))
            old = await client.get("/ui/static/000000000000/csmsd.css")
            none = [
                await client.get(f"/ui/static/{assets.version}/{name}")
                for name in ("nope.css", "vendor/SHA256SUMS", "../plugin.py", "%2e%2e/plugin.py")
            ]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    assert old.headers["cache-control"] == "no-store"
    assert {each.status_code for each in none} == {404}
