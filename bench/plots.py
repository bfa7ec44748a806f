"""The pictures of a result: rates, storms, memory, latencies, crowds."""

from __future__ import annotations

from collections.abc import Sequence

from bench.experiments import crowd, experiments
from bench.floors import ECHO
from bench.generator import Report
from bench.result import Figure, Result
from bench.svg import Bar, Line, Panel, bars, lines

_RATES = ("protocol", "protocol-tls", "durable", "mix", "heartbeat", "start")
_PERCENTILES: tuple[tuple[str, Figure], ...] = (
    ("p50", lambda report: report.p50_us / 1e3),
    ("p90", lambda report: report.p90_us / 1e3),
    ("p99", lambda report: report.p99_us / 1e3),
    ("p99.9", lambda report: report.p999_us / 1e3),
)


def plots(result: Result) -> dict[str, str]:
    """SVG by the name of its file; only of what was measured."""
    drawn = {
        "rates": _bars(
            result, "Answered CALLs per second of server CPU time", "longer is better", _RATES, _rate, most=True
        ),
        "storm": _bars(
            result,
            "CPU time for one of many stations that connect at once, in µs",
            "TCP, TLS, upgrade, credential, BootNotification; shorter is better",
            ("storm", "storm-tls"),
            lambda report: report.connect_server_us,
        ),
        "memory": _bars(
            result,
            "Memory of an idle station, in KiB",
            "growth of the server's proportional set size; shorter is better",
            ("memory", "memory-tls"),
            lambda report: report.kib_per_station,
            form="{:,.1f}",
        ),
        "latency": _latency(result, "steady"),
        "latency-durable": _latency(result, "steady-durable"),
        "crowds": _crowds(result),
    }
    return {name: picture for name, picture in drawn.items() if picture}


def _rate(report: Report) -> float:
    return report.calls_per_cpu_second


def _bars(
    result: Result,
    title: str,
    note: str,
    names: Sequence[str],
    figure: Figure,
    form: str = "{:,.0f}",
    *,
    most: bool = False,
) -> str:
    about = {each.name: each.about for each in experiments(result.plan)}
    panels = [
        Panel(f"{name}: {about[name]}", _ordered(result, name, figure, most=most))
        for name in names
        if name in about and result.servers(name)
    ]
    return bars(title, note, panels, form) if panels else ""


def _ordered(result: Result, what: str, figure: Figure, *, most: bool) -> list[Bar]:
    """The best first; for the protocol with the floor, which is nobody's server."""
    found = [(name, result.median(name, what, figure)) for name in result.servers(what)]
    if what == "protocol":
        found.append(("raw echo, in C", result.median("raw echo", ECHO, figure)))
    bars = [Bar(name, value, name.startswith("csmsd")) for name, value in found if value is not None]
    return sorted(bars, key=lambda bar: bar.value, reverse=most)


def _latency(result: Result, what: str) -> str:
    found = [
        Line(name, [result.median(name, what, figure) for _, figure in _PERCENTILES]) for name in result.servers(what)
    ]
    if not found:
        return ""
    about = next(each.about for each in experiments(result.plan) if each.name == what)
    marks = [name for name, _ in _PERCENTILES]
    title = f"Latency in ms: {about} ({'durable' if what.endswith('durable') else 'protocol'})"
    note = "from the moment a CALL was due until its answer; logarithmic; lower is better; at the right p99.9"
    return lines(title, note, marks, found, "{:,.3g}", is_log=True)


def _crowds(result: Result) -> str:
    whats = ["protocol", *map(crowd, result.plan.crowds)]
    marks = [f"{number:,}" for number in (result.plan.stations, *result.plan.crowds)]
    names = list(dict.fromkeys(name for what in whats[1:] for name in result.servers(what)))
    found = [Line(name, [result.median(name, what, _rate) for what in whats]) for name in names]
    if not found:
        return ""
    title = "Answered CALLs per second of server CPU time, by the number of stations"
    return lines(title, "protocol; higher is better", marks, found, "{:,.0f}", is_log=False)
