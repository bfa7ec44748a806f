"""What is read from samples: aims, ratios, tables and pictures."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.aims import Aim, aims
from bench.compare import Sample
from bench.experiments import Plan, experiments
from bench.generator import Report
from bench.plots import plots
from bench.result import Machine, Result
from bench.svg import Bar, Line, Panel, bars, lines
from bench.tables import tables

MACHINE = Machine("a processor", 2, "Linux", "3.11", "3.40", "OpenSSL 3", 0.5, {"csmsd": "0.1.0"})
UNSTORED = "csmsd status unstored"


def report(**fields: Any) -> Report:
    known = {
        "stations": 1,
        "connect_server_us": 0,
        "connect_generator_us": 0,
        "kib_per_station": 0,
        "errors": 0,
        "lost": 0,
    }
    return Report(**(known | {"seconds": 1.0, "server_cpu": 1.0} | fields))


def result(*samples: Sample, **fields: Any) -> Result:
    return Result("2026-01-01 00:00 UTC", MACHINE, Plan(rounds=2), samples, **fields)


def aim(found: Result, text: str) -> Aim:
    (one,) = (aim for aim in aims(found) if aim.what == text)
    return one


@pytest.mark.parametrize("plan", [Plan(), Plan(is_quick=True, crowds=(3_000,))], ids=["full", "quick"])
def test_a_sitting_measures_everybody_whom_an_aim_needs(plan: Plan) -> None:
    some = report(calls=100, p50_us=1, p99_us=2, kib_per_station=1, connect_server_us=1)
    samples = [Sample(name, each.name, 0, 1.0, some) for each in experiments(plan) for name in each.participants(plan)]
    samples.append(Sample("disk", "disk", 0, syncs_per_second=10))
    found = aims(result(*samples))
    assert len(found) == 19
    assert [each.what for each in found if each.measured is None] == []


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    found = result(
        Sample(UNSTORED, "protocol", 0, 1, report(calls=3000)),
        Sample("ocpp", "protocol", 0, 1, report(calls=100)),
        Sample(UNSTORED, "protocol", 1, 1, report(calls=300)),  # a noisy round, for both
        Sample("ocpp", "protocol", 1, 1, report(calls=10)),
        Sample("ocpp", "protocol", 2, 1, report(calls=99_999)),  # without a counterpart
    )
    assert aim(found, "protocol: times the rate of ocpp").measured == 30
    assert aim(found, "protocol: times the rate of ocpp").verdict == "met"
    assert aim(found, "protocol: times the rate of ocpp-rpc").verdict == "not measured"


@pytest.mark.parametrize(("calls", "verdict"), [(320, "met"), (319, "missed")])
def test_a_bound_is_not_rounded(calls: int, verdict: str) -> None:
    found = result(
        Sample(UNSTORED, "protocol", 0, 1, report(calls=calls)),
        Sample("ocpp-rpc strict", "protocol", 0, 1, report(calls=100)),
    )
    assert aim(found, "protocol: times the rate of ocpp-rpc strict").verdict == verdict


@pytest.mark.parametrize(("kib", "verdict"), [(3.0, "met"), (3.01, "missed")])
def test_less_memory_is_better(kib: float, verdict: str) -> None:
    found = result(Sample("csmsd", "memory", 0, 1, report(kib_per_station=kib)))
    assert aim(found, "idle station, plain").verdict == verdict


def test_starts_are_compared_with_the_disk_by_the_clock() -> None:
    found = result(
        Sample("csmsd", "start", 0, 1, report(calls=6000, seconds=2.0, server_cpu=0.5)),
        Sample("disk", "disk", 0, syncs_per_second=500),
    )
    assert aim(found, "StartTransactions per second: times the disk's fsyncs").measured == 6


def test_tables_tell_what_is_missing_and_what_to_doubt() -> None:
    bound = report(calls=100, generator_cpu=0.95)
    late = report(calls=100, generator_cpu=0.1, p99_us=10, lag_p99_us=9)
    told = tables(
        result(
            Sample("ocpp", "protocol", 0, 1, bound),
            Sample("ocpp", "steady", 0, 1, late),
            left_out={"storm-tls": "apt-get install libssl-dev"},
            failures=("round 1: ocpp, mix: 1 errors",),
        )
    )
    assert re.search(r"^ocpp .*THE GENERATOR WAS THE BOTTLENECK$", told, re.MULTILINE)
    assert re.search(r"^ocpp .*THE GENERATOR WAS LATE ITSELF$", told, re.MULTILINE)
    assert re.search(r"p99, times that of ocpp-rpc strict .* not measured$", told, re.MULTILINE)
    assert "- storm-tls: apt-get install libssl-dev" in told
    assert "- round 1: ocpp, mix: 1 errors" in told


def test_an_aim_about_latencies_is_doubted_if_the_generator_was_late() -> None:
    late = report(calls=100, generator_cpu=0.1, p50_us=5, p99_us=10, lag_p99_us=9)
    punctual = report(calls=100, generator_cpu=0.1, p50_us=5, p99_us=10, lag_p99_us=1)
    found = result(Sample(UNSTORED, "steady", 0, 1, late), Sample("ocpp-rpc strict", "steady", 0, 1, punctual))
    assert (
        aim(found, "2,000 CALLs a second: p99, times that of ocpp-rpc strict").verdict
        == "met, but the generator was late"
    )
    assert aim(found, "2,000 CALLs a second: CPU time, times that of ocpp-rpc strict").verdict == "missed"


def test_nothing_measured_is_no_picture() -> None:
    assert plots(result()) == {}


def texts(picture: str) -> list[tuple[str, float, float]]:
    found = ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")  # our own
    return [(each.text or "", float(each.attrib["x"]), float(each.attrib["y"])) for each in found]


def test_bars_are_as_long_as_what_they_stand_for() -> None:
    picture = bars(
        "A & B", "more", [Panel("p", [Bar("one <1>", 100, is_ours=True), Bar("two", 50, is_ours=False)])], "{:.0f}"
    )
    root = ElementTree.fromstring(picture)  # our own
    drawn = [each.attrib for each in root.iter("{http://www.w3.org/2000/svg}rect") if "height" in each.attrib][1:]
    assert [each["class"] for each in drawn] == ["ours", "peer"]
    assert float(drawn[0]["width"]) == pytest.approx(2 * float(drawn[1]["width"]))
    assert {"A & B", "more", "p", "one <1>", "two", "100", "50"} == {text for text, _, _ in texts(picture)}


@pytest.mark.parametrize("end", [1.0, 99.0], ids=["at the bottom", "at the top"])
def test_names_at_the_ends_of_lines_do_not_lie_upon_each_other(end: float) -> None:
    close = [Line(f"server {number}", [10.0, end + number / 10]) for number in range(7)]
    picture = lines("t", "n", ["a", "b"], close, "{:.1f}", is_log=True)
    heights = sorted(y for text, _, y in texts(picture) if text.startswith("server"))
    assert len(heights) == 7
    assert all(below - above >= 16 for above, below in pairwise(heights))
    height = float(ElementTree.fromstring(picture).attrib["height"])  # our own
    assert heights[0] > 0
    assert heights[-1] < height - 30  # above the marks


def test_a_line_leaves_out_what_was_not_measured() -> None:
    picture = lines(
        "t", "n", ["100", "3,000"], [Line("one", [5.0, None]), Line("none", [None, None])], "{:.0f}", is_log=False
    )
    assert picture.count("<polyline") == 1
    assert "one: 5" in {text for text, _, _ in texts(picture)}
