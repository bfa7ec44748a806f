"""A csmsd with an administrator called root and an operator called anna, at a time that is moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csmsd.env import Env
from csmsd.testing import open_test_csms
from csmsd_web import WebPlugin
from tests.plugins.web.management import PASSWORD, Api, Browser


class Clock:
    """The time of a csmsd, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def env(self) -> Env:
        start = datetime(2030, 1, 1, tzinfo=UTC)
        return Env(now=lambda: start + timedelta(seconds=self.seconds), monotonic=lambda: self.seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api(clock: Clock, settings: dict[str, Any]) -> AsyncIterator[Api]:
    """With an administrator called root, and anna, who operates."""
    async with open_test_csms(plugins=("core", WebPlugin), env=clock.env(), plugin={"web": settings}) as csms:
        api = await Api.administered(csms)
        await api.web.users.add("root", "administrator", password=PASSWORD, actor="test")
        await api.web.users.add("anna", "operator", password=PASSWORD, actor="test")
        yield api


@pytest.fixture
async def anna(api: Api) -> AsyncIterator[Browser]:
    """Anna, logged in."""
    async with Browser(api) as browser:
        assert (await browser.log_in("Anna", PASSWORD)).status_code == 201
        yield browser
