"""Tests in virtual time, and what they start from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from csmsd.testing import TestCsms, open_test_csms
from tests.plugins.localauth.charger import Charger, charger_in
from tests.plugins.localauth.operator import PLUGINS
from tests.plugins.profile import run_in_virtual_time, virtual_env


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    run_in_virtual_time(items, Path(__file__).parent)


@pytest.fixture
async def csms() -> AsyncIterator[TestCsms]:
    async with open_test_csms(plugins=PLUGINS, env=virtual_env()) as csms:
        yield csms


@pytest.fixture
async def charger(csms: TestCsms) -> Charger:
    return await charger_in(csms)
