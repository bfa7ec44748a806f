"""A result as text: one table for each experiment, and one of the aims."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from bench.aims import aims
from bench.compare import EMPTY_START
from bench.experiments import Experiment, experiments
from bench.floors import ECHO, ECHO_BYTES
from bench.generator import Report
from bench.result import Figure, Result

BOTTLENECK = "THE GENERATOR WAS THE BOTTLENECK"
LATE = "THE GENERATOR WAS LATE ITSELF"
_COMPARED_WITH = ("ocpp", "ocpp unvalidated", "ocpp-rpc strict", "ocpp-rpc", "ocpp-ws-io strict")


def tables(result: Result) -> str:
    """Everything: machine, aims, floors, experiments, what was left out and what failed."""
    parts = [_circumstances(result), _aims(result), _floors(result)]
    parts += [_experiment(result, each) for each in experiments(result.plan) if result.servers(each.name)]
    parts.append(_start_up(result))
    parts.append(_listed("not measured here", (f"{name}: {why}" for name, why in result.left_out.items())))
    parts.append(_listed("failed", result.failures))
    return "\n\n".join(filter(None, parts))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def _circumstances(result: Result) -> str:
    machine, plan = result.machine, result.plan
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    rounds = "round" if plan.rounds == 1 else "rounds"
    quick = "; a quick look, only what the aims need" if plan.is_quick else ""
    return (
        f"{result.measured_at}; {machine.cores} x {machine.processor}; {machine.system}; load {machine.load:.1f}\n"
        f"Python {machine.python}, SQLite {machine.sqlite}, {machine.openssl}; {versions}\n"
        f"{plan.rounds} {rounds} of {plan.seconds:g} s after {plan.warming:g} s of warming up{quick}"
    )


def _aims(result: Result) -> str:
    rows = [aim.row() for aim in aims(result)]
    return f"aims\n{aligned([('', 'aim', 'measured', ''), *rows])}"


def _floors(result: Result) -> str:
    syncs, echo = result.syncs_per_second(), result.reports("raw echo", ECHO).values()
    lines = [] if syncs is None else [f"disk: {syncs:,.0f} times a second a page appended and made safe by fsync"]
    if echo:
        rates = [report.calls_per_cpu_second for report in echo]
        note = f"; {BOTTLENECK}" if any(report.is_generator_bound for report in echo) else ""
        rate = statistics.median(rates)
        lines.append(f"raw echo of {ECHO_BYTES} bytes, in C: {rate:,.0f} a CPU second, {1e6 / rate:.1f} us each{note}")
    for server in ("csmsd status unstored", "csmsd protocol only", "ocpp-rpc strict"):
        share = result.ratio(lambda report: report.calls_per_cpu_second, (server, "protocol"), ("raw echo", ECHO))
        if share is not None:
            lines.append(f"{server}, protocol: {share:.0%} of its rate")
    return "\n".join(["floors", *lines]) if lines else ""


def _experiment(result: Result, experiment: Experiment) -> str:
    table = {"load": _load, "steady": _steady, "storm": _storm, "memory": _memory}[experiment.kind]
    parts = [f"{experiment.name}: {experiment.about}", table(result, experiment.name)]
    if experiment.kind == "load":
        parts.append(_ratios(result, experiment.name))
    return "\n".join(filter(None, parts))


Column = tuple[str, Callable[[list[Report]], str]]


def _table(result: Result, what: str, columns: Sequence[Column]) -> str:
    rows = [("server", *(name for name, _ in columns), "")]
    for server in result.servers(what):
        reports = list(result.reports(server, what).values())
        rows.append((server, *(told(reports) for _, told in columns), _warning(reports)))
    return aligned(rows)


def _warning(reports: Iterable[Report]) -> str:
    """What makes the figures doubtful; one bad round is enough."""
    if any(report.is_generator_bound for report in reports):
        return BOTTLENECK
    return LATE if any(report.is_late for report in reports) else ""


def _median(form: str, figure: Figure) -> Callable[[list[Report]], str]:
    return lambda reports: form.format(statistics.median(map(figure, reports)))


def _range(figure: Figure) -> Callable[[list[Report]], str]:
    return lambda reports: f"{min(map(figure, reports)):,.0f}-{max(map(figure, reports)):,.0f}"


def _kernel(report: Report) -> float:
    return 100 * report.server_cpu_in_kernel / report.server_cpu if report.server_cpu else 0


def _load(result: Result, what: str) -> str:
    columns: list[Column] = [
        ("calls/CPU s", _median("{:,.0f}", lambda report: report.calls_per_cpu_second)),
        ("least-most", _range(lambda report: report.calls_per_cpu_second)),
        ("us/call", _median("{:.1f}", lambda report: 1e6 * report.server_cpu / max(report.calls, 1))),
        ("kernel", _median("{:.0f} %", _kernel)),
        ("p50 ms", _median("{:.1f}", lambda report: report.p50_us / 1e3)),
        ("p99 ms", _median("{:.1f}", lambda report: report.p99_us / 1e3)),
        ("generator us/call", _median("{:.1f}", lambda report: 1e6 * report.generator_cpu / max(report.calls, 1))),
    ]
    return _table(result, what, columns)


def _steady(result: Result, what: str) -> str:
    columns: list[Column] = [
        ("p50 ms", _median("{:.2f}", lambda report: report.p50_us / 1e3)),
        ("p90 ms", _median("{:.2f}", lambda report: report.p90_us / 1e3)),
        ("p99 ms", _median("{:.2f}", lambda report: report.p99_us / 1e3)),
        ("p99.9 ms", _median("{:.2f}", lambda report: report.p999_us / 1e3)),
        ("CPU", _median("{:.0%}", lambda report: report.server_share)),
        ("answered/s", _median("{:,.0f}", lambda report: report.calls_per_second)),
        ("unanswered", _median("{:,.0f}", lambda report: report.unanswered)),
        ("generator late p99 ms", _median("{:.2f}", lambda report: report.lag_p99_us / 1e3)),
    ]
    return _table(result, what, columns)


def _storm(result: Result, what: str) -> str:
    columns: list[Column] = [
        ("CPU us/station", _median("{:,.0f}", lambda report: report.connect_server_us)),
        ("least-most", _range(lambda report: report.connect_server_us)),
        ("seconds", _median("{:.2f}", lambda report: report.connect_seconds)),
        ("generator us/station", _median("{:,.0f}", lambda report: report.connect_generator_us)),
    ]
    return _table(result, what, columns)


def _memory(result: Result, what: str) -> str:
    kib = _median("{:.2f}", lambda report: report.kib_per_station)
    found = ((server, list(result.reports(server, what).values())) for server in result.servers(what))
    return aligned([("server", "KiB/station"), *((server, kib(reports)) for server, reports in found)])


def _ratios(result: Result, what: str) -> str:
    """Of csmsd's rate to everybody else's, in the same round; the median of the rounds."""
    measured = result.servers(what)
    ours = [name for name in measured if name.startswith("csmsd")]
    peers = [name for name in _COMPARED_WITH if name in measured]
    if not ours or not peers:
        return ""
    rows = [("times as many as", *peers)]
    for one in ours:
        ratios = (result.ratio(lambda report: report.calls_per_cpu_second, (one, what), (peer, what)) for peer in peers)
        rows.append((one, *("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios)))
    return aligned(rows)


def _start_up(result: Result) -> str:
    prepared: dict[str, list[float]] = {}
    for sample in result.samples:
        if sample.start_up and sample.server in result.plan.servers:
            name = f"{sample.server}, empty database" if sample.what == EMPTY_START else sample.server
            prepared.setdefault(name, []).append(sample.start_up)
    if not prepared:
        return ""
    rows = [(name, f"{statistics.median(found):.2f}") for name, found in prepared.items()]
    return f"start-up: from exec until a station is let in\n{aligned([('server', 'seconds'), *rows])}"


def _listed(heading: str, lines: Iterable[str]) -> str:
    found = list(lines)
    return "\n".join([heading, *(f"- {line}" for line in found)]) if found else ""
