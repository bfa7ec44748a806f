"""Tests in virtual time, and what they start from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import (
    Tag,
)
from tests.plugins.profile import booted, run_in_virtual_time, virtual_env
from tests.plugins.reservation.operator import ACCEPTED, CANCELLED, PLUGINS, core_of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    run_in_virtual_time(items, Path(__file__).parent)


@pytest.fixture
async def csms() -> AsyncIterator[TestCsms]:
    async with open_test_csms(plugins=PLUGINS, env=virtual_env()) as csms:
        await core_of(csms).tags.put(Tag("TAG"), actor="test")
        await core_of(csms).tags.put(Tag("ANNA", parent_id_tag="FLEET"), actor="test")
        await core_of(csms).tags.put(Tag("BERT", parent_id_tag="fleet"), actor="test")
        yield csms


@pytest.fixture
async def station(csms: TestCsms) -> TestStation:
    """A station that obeys."""
    station = await booted(csms, call_timeout=10.0)
    station.behaviour |= {"ReserveNow": ACCEPTED, "CancelReservation": CANCELLED}
    return station
