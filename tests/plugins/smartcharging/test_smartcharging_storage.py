"""What Smart Charging stores, on both databases: written twice, in one batch, and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import KERNEL, upgrade
from csmsd_core import ChargingProfile
from csmsd_smartcharging import Draft, DraftPeriod, GetCompositeScheduleResponse, Held, Site, SiteMember
from csmsd_smartcharging.mirror_rows import Change, Offer, read_all, write_changes
from csmsd_smartcharging.plugin import SmartChargingPlugin
from csmsd_smartcharging.ratings import Rating, put_ratings
from csmsd_smartcharging.schedules import Answer, put_answers
from csmsd_smartcharging.site_rows import Share, StoredSite, put_shares, put_sites, read_sites, remove_sites
from csmsd_smartcharging.templates import Template, put_templates, read_templates, remove_templates

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
Profile = Callable[..., ChargingProfile]


@pytest.fixture
def connection(database_url: str) -> Iterator[sa.Connection]:
    engine = writing_engine(parse_url(database_url), is_durable=False)
    assert SmartChargingPlugin.migrations is not None
    upgrade(engine, {**KERNEL, "smartcharging": SmartChargingPlugin.migrations})
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.mark.req("SC-20", "SC-21", "SC-28")
def test_changes_of_the_mirror_keep_their_order(connection: sa.Connection, profile: Profile) -> None:
    first = Held("CP-1", 1, None, NOW, profile(1, "TxDefaultProfile", "6.1", valid_from=NOW))
    second = Held("CP-1", 2, 2**31, NOW, profile(2, "TxProfile"))
    again = Held("CP-1", 0, None, NOW, profile(1, "ChargePointMaxProfile", 8))
    offer = Offer("remote", "CP-1", NOW, profile(3, "TxProfile"))
    changes = [Change((), first, offer), Change((first,), second), Change((), first), Change((first,), again)]
    write_changes(connection, changes)
    assert read_all(connection) == ([again, second], [offer])
    write_changes(connection, [Change((again, second), settled=(offer,)), Change((again,), first)])
    assert read_all(connection) == ([first], [])


def test_sites_and_shares_are_replaced(connection: sa.Connection) -> None:
    site = Site(Decimal("63.5"), (SiteMember("CP-1", Decimal(32), Decimal(6), 2, -1),), "W", "priority")
    stored = [StoredSite("b", site, NOW), StoredSite("a", site, NOW), StoredSite("b", site, NOW)]
    shares = [Share("CP-1", 5, "A", None, 160), Share("CP-1", 5, "W", 100)]
    put_sites(connection, stored)
    put_sites(connection, stored[:1])
    put_shares(connection, shares)
    assert read_sites(connection) == ([stored[1], stored[0]], [shares[1]])
    remove_sites(connection, ["a", "a", "none"])
    assert [each.name for each in read_sites(connection)[0]] == ["b"]


def test_templates_are_replaced(connection: sa.Connection) -> None:
    draft = Draft("TxDefaultProfile", (DraftPeriod(0, Decimal("6.1"), 1),), valid_from=None, duration=60)
    one, other = Template("night", draft, "cheap", NOW), Template("night", draft, "", NOW)
    put_templates(connection, [one, other])
    put_templates(connection, [one])
    assert read_templates(connection) == [one], "what was left out is left out, what is null is null"
    remove_templates(connection, ["night"])
    assert read_templates(connection) == []


@pytest.mark.req("SC-29")
def test_answers_and_ratings_are_replaced(connection: sa.Connection) -> None:
    answers = [Answer("CP-1", 1, NOW, n, None, GetCompositeScheduleResponse("Rejected")) for n in (60, 10**10)]
    put_answers(connection, answers)
    put_answers(connection, answers[:1])
    ratings = [Rating("CP-1", 0, tenths, "A", 3) for tenths in (320, 630)]
    put_ratings(connection, ratings)
    put_ratings(connection, ratings)
    counts = [connection.scalar(sa.text(f"SELECT count(*) FROM smartcharging_{name}")) for name in ("answer", "rating")]
    assert counts == [1, 1]
