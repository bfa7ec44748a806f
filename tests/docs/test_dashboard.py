"""The dashboard for Grafana asks for figures that csmsd has, with labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from csmsd.config import Config
from csmsd.testing import open_test_csms

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
NAME = re.compile(r"csmsd_[a-z0-9_]+")
BY = re.compile(r"by \((\w+)\)")
OVER_TIME = re.compile(r"(?:rate|increase)\((csmsd_[a-z0-9_]+)")


def expressions(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        for target in panel["targets"]:
            yield target["expr"]


async def test_every_figure_of_the_dashboard_is_in_metrics() -> None:
    async with open_test_csms(plugins=Config().plugins) as csms:
        figures = list(csms.host.metrics())
    types = {f"csmsd_{figure.name}": figure.type for figure in figures}
    labels = {label for figure in figures for label, _ in figure.labels}
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = list(expressions(dashboard["panels"]))
    assert len(asked) > 15
    for expression in asked:
        found = NAME.findall(expression)
        assert found
        for name in found:
            assert name in types, f"{name} is not in /metrics"
            is_counter = types[name] == "counter"
            assert is_counter == (name in OVER_TIME.findall(expression)), f"{name} is a {types[name]}: {expression}"
        assert set(BY.findall(expression)) <= labels, expression
        assert expression.count("(") == expression.count(")")
    (variable,) = [each for each in dashboard["templating"]["list"] if each["name"] == "job"]
    assert set(NAME.findall(variable["query"])) <= types.keys()


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
