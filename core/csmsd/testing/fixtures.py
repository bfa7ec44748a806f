"""Fixtures for tests of plugins, registered by `pytest_plugin` where pytest-trio is installed.

`@pytest.mark.csmsd(plugins=["core", "web", AcmePlugin], plugin={"acme": {"cents": 42}})` sets up the csmsd of one test;
without it there are the plugins of `--csmsd-plugin` with what they require, or else the Core profile alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, cast

import pytest
from trio.testing import MockClock

if TYPE_CHECKING:
    from csmsd.plugin import Plugin
    from csmsd.testing.csms import Fleet, TestCsms, TestJournal
    from csmsd.testing.station import TestStation


@pytest.fixture
def clock() -> MockClock:
    """Trio's clock of this test: time passes only when everybody waits. csmsd's wall clock goes with it."""
    return MockClock(autojump_threshold=0)


@pytest.fixture
def csmsd_plugins(request: pytest.FixtureRequest) -> list[str | type[Plugin[Any]]]:
    """Which plugins take part if the test's mark does not say; override it in a conftest.py."""
    named = cast("list[str]", request.config.getoption("--csmsd-plugin"))
    if not named:
        return ["core"]
    from csmsd.testing.contract.subject import find_plugin, subject_of

    subjects = [subject_of(find_plugin(name)) for name in named]
    checked = {subject.name: subject.plugin for subject in subjects}
    required = dict.fromkeys(name for subject in subjects for name in subject.required if name not in checked)
    return [*required, *checked.values()]


@pytest.fixture
async def csms(
    request: pytest.FixtureRequest, clock: MockClock, csmsd_plugins: list[str | type[Plugin[Any]]]
) -> AsyncGenerator[TestCsms, None]:
    """A whole csmsd on a database of its own, without sockets, in virtual time."""
    from csmsd.testing.csms import open_test_csms, virtual_env

    settings: dict[str, Any] = {"plugins": csmsd_plugins, "env": virtual_env()}
    for mark in reversed(list(request.node.iter_markers("csmsd"))):
        settings |= mark.kwargs
    async with open_test_csms(**settings) as running:
        yield running


@pytest.fixture
async def station(csms: TestCsms) -> TestStation:
    """The station CP-1, connected."""
    return await csms.connect("CP-1")


@pytest.fixture
async def fleet(csms: TestCsms) -> Fleet:
    """As many stations as a test wants; see Fleet."""
    from csmsd.testing.csms import Fleet

    return Fleet(csms)


@pytest.fixture
async def journal(csms: TestCsms) -> TestJournal:
    """What csmsd has recorded of its exchanges with stations."""
    from csmsd.testing.csms import TestJournal

    return TestJournal(csms.host)
