"""Tests in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.profile import run_in_virtual_time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    run_in_virtual_time(items, Path(__file__).parent)
