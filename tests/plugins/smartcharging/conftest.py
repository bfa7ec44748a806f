"""A whole csmsd with Smart Charging, and charging profiles to be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from trio.testing import MockClock

from csmsd.testing import open_test_csms
from csmsd_core import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod, Tag
from tests.plugins.smartcharging.house import START, Site, virtual_env


@pytest.fixture
async def site(autojump_clock: MockClock) -> AsyncIterator[Site]:
    async with open_test_csms(plugins=["core", "smartcharging"], env=virtual_env()) as csms:
        site = Site(csms, await csms.connect("CP-1"))
        await site.core.tags.put(Tag("CARD"), actor="op")
        yield site


Profile = Callable[..., ChargingProfile]


@pytest.fixture
def profile() -> Profile:
    """A charging profile, complete but for what the test is about."""

    def make(
        id_: int,
        purpose: Any = "TxDefaultProfile",
        *limits: Any,
        level: int = 0,
        kind: Any = "Absolute",
        unit: Any = "A",
        duration: int | None = None,
        start: datetime | None = START,
        transaction_id: int | None = None,
        phases: int | None = None,
        **fields: Any,
    ) -> ChargingProfile:
        periods = tuple(
            ChargingSchedulePeriod(600 * index, Decimal(str(limit)), phases)
            for index, limit in enumerate(limits or (16,))
        )
        schedule = ChargingSchedule(unit, periods, duration, None if kind == "Relative" else start)
        return ChargingProfile(id_, level, purpose, kind, schedule, transaction_id, **fields)

    return make
