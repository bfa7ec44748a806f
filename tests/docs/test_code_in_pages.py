"""The code in the documentation works, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from csmsd import Config
from csmsd.cli.settings import load_settings
from csmsd.hookspecs import FORMER_ATTRIBUTE
from csmsd.testing import open_test_csms
from csmsd_core.messages import Authorize, AuthorizeResponse, ResetResponse
from csmsd_events.signing import key_of, new_secret, signed_headers
from tests.docs.pages import PAGES, ROOT, blocks

LINK = re.compile(r"\]\((?!https?:)([^)#]+)(#[^)]*)?\)")


def names_of(page: str, *numbers: int) -> dict[str, Any]:
    """What the blocks define."""
    names: dict[str, Any] = {"__name__": "page"}
    for number in numbers:
        exec(compile(blocks(page, "python")[number], page, "exec", dont_inherit=True), names)
    return names


async def test_the_plugin_of_the_front_page_lets_staff_charge(autojump_clock: MockClock) -> None:
    plugin = names_of("README.md", 0)["NightRestPlugin"]
    async with open_test_csms(plugins=["core", plugin]) as csms:
        station = await csms.connect("CP-1")
        for id_tag, status in (("STAFF-7", "Accepted"), ("GUEST", "Invalid")):
            answer = await station.send("Authorize", Authorize(id_tag), AuthorizeResponse)
            assert answer.id_tag_info.status == status


def test_the_receiver_in_the_manual_knows_who_sends() -> None:
    verify = names_of("plugins/events/README.md", 0)["verify"]
    secret, body = new_secret(bytes), b'{"id": "1"}'
    now = int(time.time())
    headers = signed_headers(key_of(secret), "17-1764086400000", now, body)
    assert verify(secret, headers, body)
    assert verify(secret, headers | {"webhook-signature": f"v1,old {headers['webhook-signature']}"}, body)
    assert not verify(secret, headers, body + b" ")
    assert not verify(secret, headers | {"webhook-id": "18-1764086400000"}, body)
    assert not verify(new_secret(lambda size: b"x" * size), headers, body)
    assert not verify(secret, signed_headers(key_of(secret), "17-1764086400000", now - 301, body), body)


async def test_the_plugin_of_the_manual_passes_its_own_test(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    names = names_of("docs/plugins.md", 0, 1)
    await names["test_a_fault_is_told"](autojump_clock)
    assert "CP-1: connector 1 is out of order" in caplog.text


def test_the_program_that_embeds_csmsd_runs(tmp_path: Path) -> None:
    program = blocks("docs/embedding.md", "python")[0]
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/ocpp/CP-1\n", done.stdout)


def test_the_asyncio_program_in_the_manual_runs(tmp_path: Path) -> None:
    program = blocks("docs/embedding.md", "python")[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_a_vendor_keeps_a_former_hook_as_the_manual_says() -> None:
    names = names_of("docs/compatibility.md", 0)
    former = getattr(names["acme_euros_for"], FORMER_ATTRIBUTE)
    assert former.now is names["acme_price_of"]
    assert former.arguments("CP-1", 1500) == (1.5,)
    assert former.answer(0.42) == 42


async def test_a_program_restarts_a_station(autojump_clock: MockClock) -> None:
    restart = names_of("docs/embedding.md", 1)["restart"]
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        station.behaviour = {"Reset": ResetResponse("Accepted")}
        assert await restart(csms.host, "CP-1") == "Accepted"
        station.behaviour = {"Reset": None}
        assert "60" in await restart(csms.host, "CP-1")
        await station.disconnect()
        assert await restart(csms.host, "CP-1") == "offline"


@pytest.mark.parametrize("text", [*blocks("docs/operating.md", "toml"), *blocks("plugins/events/README.md", "toml")])
def test_settings_in_the_manual_can_be_set(text: str, tmp_path: Path) -> None:
    (tmp_path / "csmsd.toml").write_text(text)
    assert load_settings(tmp_path / "csmsd.toml", {}).origins


def test_keys_in_the_manual_exist() -> None:
    config, text = Config(), (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    keys = re.findall(r"`((?:limits|listen|store|access)\.\w+)`", text)
    assert len(keys) > 10
    for key in keys:
        section, _, name = key.partition(".")
        assert hasattr(getattr(config, section), name), key


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
