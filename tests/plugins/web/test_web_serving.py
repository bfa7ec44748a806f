"""The API on a real socket, and what the CLI finds in the data directory."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
import trio

from csmsd import Config, Host, NoConfig, Plugin, open_csms
from csmsd.config import Listen
from csmsd.errors import PluginError
from csmsd_web import WebPlugin


def config(folder: Path, http: str = "127.0.0.1:0", **listen: Any) -> Config:
    return Config(plugins=("core", WebPlugin), data_dir=folder, listen=Listen(ocpp="127.0.0.1:0", http=http, **listen))


def web_of(host: Host) -> WebPlugin:
    found = host.plugins.get("web")
    assert isinstance(found, WebPlugin)
    return found


def client_of(folder: Path) -> httpx.AsyncClient:
    """As the CLI on the same machine does it."""
    token, url = (folder / "admin.token").read_text().strip(), (folder / "http.url").read_text().strip()
    return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {token}"}, trust_env=False)


@pytest.mark.req("WS-04")
async def test_the_api_is_served_and_found_by_who_may_read_the_data_directory(tmp_path: Path) -> None:
    async with open_csms(config(tmp_path)) as host:
        assert web_of(host).http_url == (tmp_path / "http.url").read_text().strip()
        for name in ("admin.token", "http.url"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        async with client_of(tmp_path) as client:
            made = await client.put("/api/v1/stations/A%2FB", json={"note": "slash"})
            assert made.json()["id"] == "A/B"
            assert (await client.get("/api/v1/stations/A%2FB")).json()["note"] == "slash"
            assert (await client.get("/api/v1/info")).json()["ocpp_urls"] == list(host.ocpp_urls)
            assert "server" not in made.headers
            assert (await client.get("/healthz", headers={"authorization": ""})).status_code == 200
    assert not (tmp_path / "http.url").exists()


@pytest.mark.req("SEC-80")
async def test_the_local_token_lasts_over_restarts_and_is_replaced_when_it_is_lost_or_revoked(tmp_path: Path) -> None:
    texts: list[str] = []

    async def run(revoke: bool = False) -> None:
        async with open_csms(config(tmp_path)) as host:
            texts.append((tmp_path / "admin.token").read_text())
            assert len(web_of(host).tokens.all()) == 1
            async with client_of(tmp_path) as client:
                assert (await client.get("/api/v1/info")).status_code == 200
                if revoke:
                    await client.delete(f"/api/v1/tokens/{texts[-1].split('_')[1]}")
                    assert (await client.get("/api/v1/info")).status_code == 401

    await run()
    await run(revoke=True)
    await run()
    (tmp_path / "admin.token").unlink()
    await run()
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


async def test_a_port_that_is_taken_is_one_clear_sentence(tmp_path: Path) -> None:
    async with open_csms(config(tmp_path / "a")) as host:
        taken = urlsplit(web_of(host).http_url).netloc
        with pytest.raises(PluginError) as caught:
            async with open_csms(config(tmp_path / "b", taken)):
                pass
    assert f"listen.http: cannot listen on {taken}: something else listens there" in str(caught.value)


@pytest.mark.req("WS-40")
async def test_other_addresses_than_loopback_need_to_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="allow_plain"):
        async with open_csms(config(tmp_path, "0.0.0.0:0")):
            pass
    async with open_csms(config(tmp_path, "0.0.0.0:0", allow_plain=True)) as host:
        assert web_of(host).http_url.startswith("http://127.0.0.1:")
        async with client_of(tmp_path) as client:
            assert (await client.get("/api/v1/info")).status_code == 200


async def test_an_empty_address_serves_nothing(tmp_path: Path) -> None:
    async with open_csms(config(tmp_path, "")) as host:
        assert web_of(host).http_url == ""
    assert not (tmp_path / "admin.token").exists()


async def test_an_open_stream_ends_properly_and_quickly_when_csmsd_stops(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        async with open_csms(config(tmp_path)) as host:
            client = client_of(tmp_path)
            is_open, has_event = trio.Event(), trio.Event()

            async def watch() -> None:
                async with client, client.stream("GET", "/api/v1/events") as response:
                    async for line in response.aiter_lines():
                        (has_event if line == "event: x" else is_open).set()

            nursery.start_soon(watch)
            with trio.fail_after(5):
                await is_open.wait()
                host.events.publish("x", "CP-1", host.env.now(), {})
                await has_event.wait()
            began = trio.current_time()
        assert trio.current_time() - began < 2


async def test_the_listener_can_be_disabled_and_enabled_by_the_embedding_program(tmp_path: Path) -> None:
    async with open_csms(config(tmp_path)) as host:
        await host.plugins.disable("web")
        assert not (tmp_path / "http.url").exists()
        await host.plugins.enable("web")
        async with client_of(tmp_path) as client:
            assert (await client.get("/api/v1/info")).status_code == 200


class UiPlugin(Plugin[NoConfig]):
    """Stands for the pages."""

    name = "ui"


@pytest.mark.req("SEC-80")
async def test_with_pages_the_first_administrator_gets_a_link_that_is_good_once(tmp_path: Path) -> None:
    own = config(tmp_path)
    async with open_csms(msgspec.structs.replace(own, plugins=("web", UiPlugin))) as host:
        ((heading, line),) = web_of(host).greet()
        assert heading == "welcome"
        url = urlsplit(line.split()[0])
        assert (f"{url.scheme}://{url.netloc}", url.path) == (web_of(host).http_url, "/ui/welcome")
        text = url.query.removeprefix("link=")
        assert web_of(host).links.get(text).user is None
        await web_of(host).links.redeem(text, "correct horse battery", "root")
        assert list(web_of(host).greet()) == []
    async with open_csms(msgspec.structs.replace(own, plugins=("web", UiPlugin))) as host:
        assert list(web_of(host).greet()) == []
