"""A csmsd with the management API; a test that asks for `autojump_clock` too runs in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from csmsd.testing import open_test_csms
from csmsd_web import WebPlugin
from tests.plugins.web.management import Api


@pytest.fixture
def settings() -> dict[str, Any]:
    """The web plugin's configuration."""
    return {}


@pytest.fixture
async def api(settings: dict[str, Any]) -> AsyncIterator[Api]:
    """The API of a csmsd with the Core profile; asks as an administrator."""
    async with open_test_csms(plugins=("core", WebPlugin), plugin={"web": settings}) as csms:
        yield await Api.administered(csms)
