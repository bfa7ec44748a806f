"""Slow messages are named, but cannot fill the log."""

from __future__ import annotations

import pytest

from csmsd._kernel.slowness import PAUSE, SlowMessages


def test_one_line_in_ten_seconds_tells_of_all_slow_messages(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    slow = SlowMessages(lambda: now)
    for milliseconds in (2, 9, 3):
        slow("CP-1", milliseconds / 1000)
    assert [record.getMessage() for record in caplog.records] == [
        "CP-1: nobody else was served while one message took 2.0 ms"
    ]
    now = PAUSE
    slow("CP-2", 0.004)
    assert caplog.records[-1].getMessage().endswith("took 4.0 ms; 2 more were slow since the last such line")
    assert (slow.count, slow.slowest) == (4, 0.009)
