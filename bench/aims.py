"""What csmsd is to show, each aim beside what was measured.

All of them are ratios within a round of one sitting, but for memory, with csmsd validating fully. `status unstored` is
csmsd as it comes, with the journal, but that StatusNotifications are not stored, which is what these aims are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.experiments import crowd
from bench.generator import Report
from bench.result import Figure, Result

_CSMSD, _UNSTORED, _TRIVIAL = "csmsd", "csmsd status unstored", "csmsd protocol only"
_MANY = 3_000


class Aim(NamedTuple):
    """`measured` is None if it could not be measured. A bound is the least or the most that is aimed at."""

    what: str
    bound: float
    is_least: bool
    measured: float | None
    unit: str = "x"
    doubt: str = ""  # why the verdict may not hold

    @property
    def is_met(self) -> bool:
        """As measured, without rounding in our favour."""
        if self.measured is None:
            return False
        return self.measured >= self.bound if self.is_least else self.measured <= self.bound

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.measured is None:
            return "not measured"
        return ("met" if self.is_met else "missed") + (self.doubt and f", but {self.doubt}")

    def row(self) -> tuple[str, str, str, str]:
        """What, aim, measured, met or missed."""
        sign = ">=" if self.is_least else "<="
        told = "-" if self.measured is None else f"{self.measured:.2f} {self.unit}"
        return self.what, f"{sign} {self.bound:g} {self.unit}", told, self.verdict


def aims(result: Result) -> Sequence[Aim]:
    """All of them, in the order of the tables."""
    return [*_of_protocol(result), *_of_storing(result), *_of_standing(result), *_of_pace(result), *_of_pool(result)]


def _rate(report: Report) -> float:
    return report.calls_per_cpu_second


def _of_protocol(result: Result) -> list[Aim]:
    def against(other: str, bound: float) -> Aim:
        ratio = result.ratio(_rate, (_UNSTORED, "protocol"), (other, "protocol"))
        return Aim(f"protocol: times the rate of {other}", bound, is_least=True, measured=ratio)

    return [
        against("ocpp", 25),
        against("ocpp unvalidated", 10),
        against("ocpp-rpc strict", 3.2),
        against("ocpp-rpc", 2),
        against("ocpp-ws-io strict", 4),
        against("csmsd status unstored, trio-websocket", 6),
        Aim(
            f"protocol, {_MANY:,} stations: times the rate with {result.plan.stations}",
            0.85,
            is_least=True,
            measured=result.ratio(_rate, (_UNSTORED, crowd(_MANY)), (_UNSTORED, "protocol")),
        ),
    ]


def _of_storing(result: Result) -> list[Aim]:
    starts = result.median(_CSMSD, "start", lambda report: report.calls_per_second)
    syncs = result.syncs_per_second()
    return [
        Aim(
            "durable: times the rate of ocpp-rpc strict, which stores nothing",
            1,
            is_least=True,
            measured=result.ratio(_rate, (_CSMSD, "durable"), ("ocpp-rpc strict", "durable")),
        ),
        Aim(
            "StartTransactions per second: times the disk's fsyncs",
            6,
            is_least=True,
            measured=starts / syncs if starts is not None and syncs else None,
        ),
    ]


def _of_standing(result: Result) -> list[Aim]:
    def kib(report: Report) -> float:
        return report.kib_per_station

    def times_less(figure: Figure, what: str, told: str, bound: float) -> Aim:
        return Aim(told, bound, is_least=True, measured=result.ratio(figure, ("ocpp", what), (_CSMSD, what)))

    def cost(report: Report) -> float:
        return report.connect_server_us

    return [
        Aim("idle station, plain", 3, is_least=False, measured=result.median(_CSMSD, "memory", kib), unit="KiB"),
        times_less(kib, "memory", "idle station, plain: times less than ocpp", 7),
        Aim("idle station, TLS", 18, is_least=False, measured=result.median(_CSMSD, "memory-tls", kib), unit="KiB"),
        times_less(kib, "memory-tls", "idle station, TLS: times less than ocpp", 16),
        times_less(cost, "storm", "storm, plain: CPU time a station, times less than ocpp", 8),
        times_less(cost, "storm-tls", "storm, TLS: CPU time a station, times less than ocpp", 2.5),
    ]


def _of_pace(result: Result) -> list[Aim]:
    told = f"{result.plan.steady_rate:,} CALLs a second"
    compared = (*result.reports(_UNSTORED, "steady").values(), *result.reports("ocpp-rpc strict", "steady").values())
    doubt = "the generator was late" if any(report.is_late for report in compared) else ""

    def against(figure: Figure, name: str, bound: float) -> Aim:
        ratio = result.ratio(figure, (_UNSTORED, "steady"), ("ocpp-rpc strict", "steady"))
        return Aim(
            f"{told}: {name}, times that of ocpp-rpc strict",
            bound,
            is_least=False,
            measured=ratio,
            doubt="" if name == "CPU time" else doubt,
        )

    return [
        against(lambda report: report.p50_us, "p50", 1),
        against(lambda report: report.p99_us, "p99", 1),
        against(lambda report: report.server_share, "CPU time", 0.75),
    ]


def _of_pool(result: Result) -> list[Aim]:
    ratio = result.ratio(_rate, ("csmsd protocol only, pooled", "protocol"), (_TRIVIAL, "protocol"))
    return [Aim("protocol, `async def` handlers: times the rate with plain ones", 0.6, is_least=True, measured=ratio)]
