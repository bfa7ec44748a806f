"""What is measured: each experiment says who takes part, and how the stations behave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from bench.servers import SERVERS

Kind = Literal["load", "steady", "storm", "memory"]
FIRST = 100  # stations that have come before memory and storms are measured: what is built once is there then
# csmsd, as it comes, lets in so many at once, and per second, and closes others unread: no storm is greater, and
# where it is not about coming they come in less haste.
MOST_AT_ONCE = 2_000
_HASTE = ("-q", "1500")
_IN_FLIGHT = 200  # handshakes at once; csmsd's limit for one address, and the stations have eight of them

_EVERYBODY = tuple(SERVERS)
_AS_IT_COMES, _TWIN = "csmsd", "csmsd trio-websocket"
_UNSTORED, _UNSTORED_TWIN = "csmsd status unstored", "csmsd status unstored, trio-websocket"
_TRIVIAL, _POOLED = "csmsd protocol only", "csmsd protocol only, pooled"
_PEERS = ("ocpp", "ocpp unvalidated", "ocpp-rpc strict", "ocpp-rpc")
_USUAL = (_AS_IT_COMES, _TWIN, _TRIVIAL, *_PEERS)
_STANDING = (_AS_IT_COMES, _TWIN, _TRIVIAL, "ocpp", "ocpp-rpc strict", "ocpp-ws-io strict")
_STANDING_TLS = (_AS_IT_COMES, _TWIN, _TRIVIAL, "ocpp", "ocpp-rpc strict")


class Plan(msgspec.Struct, frozen=True):
    """What is measured, and how long. `is_quick`: only the servers that an aim needs."""

    servers: tuple[str, ...] = _EVERYBODY
    only: tuple[str, ...] = ()  # names of experiments; empty: all
    rounds: int = 3
    stations: int = 100
    crowds: tuple[int, ...] = (3_000, 10_000)
    idle_stations: int = 1_000
    storm_stations: int = 2_000
    steady_stations: int = 1_000
    steady_rate: int = 2_000  # CALLs per second of all of them together
    warming: float = 1.0
    seconds: float = 2.0
    is_quick: bool = False


@dataclass(frozen=True)
class Experiment:
    """One way to use servers. `essential`: who takes part when there is no time for all."""

    name: str
    kind: Kind
    about: str
    servers: Sequence[str]
    essential: Sequence[str]
    stations: int  # in all, with the first ones
    workload: str = "protocol"
    is_tls: bool = False

    def participants(self, plan: Plan) -> Iterator[str]:
        """Who takes part in this sitting."""
        chosen = self.essential if plan.is_quick else self.servers
        return (name for name in chosen if name in plan.servers)

    def options(self, plan: Plan) -> tuple[str, ...]:
        """For the generator."""
        common = ("-c", str(self.stations), "-k", str(_IN_FLIGHT), *(("-T",) if self.is_tls else ()))
        a_turn = self.stations / 5_000  # seconds that the slower ones need to answer each of them once, about
        longer = a_turn if self.kind == "load" and self.stations > 1_000 else 0
        duration = ("-w", str(plan.warming + longer), "-d", str(plan.seconds + longer))
        match self.kind:
            case "load":
                return (*common, *_HASTE, "-x", self.workload, *duration)
            case "steady":
                return (*common, *_HASTE, "-x", self.workload, "-r", str(plan.steady_rate), *duration)
            case "storm":
                return (*common, "-b", str(FIRST), "-H", "0.4", "-d", "0")
            case "memory":
                return (*common, *_HASTE, "-b", str(FIRST), "-H", "1.5", "-d", "0")


def crowd(stations: int) -> str:
    """The name of the experiment with so many stations that never rest."""
    return f"protocol-{stations}"


def experiments(plan: Plan) -> Sequence[Experiment]:
    """Those of the plan."""
    return [each for each in _all(plan) if not plan.only or each.name in plan.only]


def names(plan: Plan) -> Sequence[str]:
    """Of all experiments that there are."""
    return [each.name for each in _all(plan)]


def _all(plan: Plan) -> Sequence[Experiment]:
    few, told = plan.stations, f"{plan.stations} stations that never rest"
    steady = f"{plan.steady_stations:,} stations, {plan.steady_rate:,} CALLs a second"
    idle, storm = f"{plan.idle_stations:,} idle stations", f"{plan.storm_stations:,} stations at once"
    essential = (_UNSTORED, "ocpp-rpc strict")
    return [
        Experiment("heartbeat", "load", told, _USUAL, (), few, "heartbeat"),
        Experiment("protocol", "load", told, _EVERYBODY, _EVERYBODY, few),
        Experiment("durable", "load", told, _USUAL, (_AS_IT_COMES, _TWIN, "ocpp-rpc strict"), few, "durable"),
        Experiment("start", "load", told, _USUAL, (_AS_IT_COMES,), few, "start"),
        Experiment("mix", "load", told, _USUAL, (), few, "mix"),
        Experiment(
            "protocol-tls",
            "load",
            f"{told}, TLS 1.3, ECDSA P-256",
            (_UNSTORED, _UNSTORED_TWIN, _TRIVIAL, *_PEERS),
            (_TRIVIAL, "ocpp-rpc strict"),
            few,
            is_tls=True,
        ),
        *(
            Experiment(
                crowd(number),
                "load",
                f"{number:,} stations that never rest",
                (_UNSTORED, _UNSTORED_TWIN, _TRIVIAL, "ocpp unvalidated", "ocpp-rpc strict"),
                (_UNSTORED,),
                number,
            )
            for number in plan.crowds
        ),
        Experiment(
            "steady", "steady", steady, (_UNSTORED, _UNSTORED_TWIN, _TRIVIAL, *_PEERS), essential, plan.steady_stations
        ),
        Experiment("steady-durable", "steady", steady, _USUAL, (), plan.steady_stations, "durable"),
        Experiment("storm", "storm", storm, _STANDING, (_AS_IT_COMES, "ocpp"), FIRST + plan.storm_stations),
        Experiment(
            "storm-tls",
            "storm",
            f"{storm}, TLS 1.3, ECDSA P-256",
            _STANDING_TLS,
            (_AS_IT_COMES, "ocpp"),
            FIRST + plan.storm_stations,
            is_tls=True,
        ),
        Experiment("memory", "memory", idle, _STANDING, (_AS_IT_COMES, "ocpp"), FIRST + plan.idle_stations),
        Experiment(
            "memory-tls",
            "memory",
            f"{idle}, TLS 1.3, ECDSA P-256",
            _STANDING_TLS,
            (_AS_IT_COMES, "ocpp"),
            FIRST + plan.idle_stations,
            is_tls=True,
        ),
    ]
