"""The connection doctor: from attempts to causes in words, and to the one thing to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd.journal import Attempt

STAGES = ("Reached us", "TLS", "Upgrade", "Identity", "Password", "Let in")
STAGE_AT = {
    "tcp": 0,
    "tls": 1,
    "upgrade": 2,
    "path": 2,
    "subprotocol": 2,
    "readiness": 2,
    "identity": 3,
    "credentials": 4,
    "profile": 4,
    "admitted": 5,
}
WINDOW = timedelta(hours=24)
READ = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, the best first."""

    text: str
    why: str = ""
    path: str = ""  # where; "" = at the charger
    is_post: bool = False


@dataclass(slots=True)
class Cause:
    """Attempts that fail for one reason."""

    stage: str
    cause: str
    stations: dict[str, None] = field(default_factory=dict[str, None])
    addresses: set[str] = field(default_factory=set[str])
    attempts: int = 0
    last_at: datetime | None = None
    first_at: datetime | None = None

    @property
    def title(self) -> str:
        """The cause as a heading."""
        return f"{self.cause[:1].upper()}{self.cause[1:]}" if self.cause else f"Refused at {self.stage}"

    @property
    def first_station(self) -> str:
        """One that has it; "" if none told who it is."""
        return next(iter(self.stations), "")


async def causes(host: Host) -> list[Cause]:
    """What fails now: attempts of the last day that no later success of the same station has overtaken."""
    since = host.env.now() - WINDOW
    admitted: set[str] = set()
    found: dict[tuple[str, str], Cause] = {}
    for attempt in await host.journal.attempts(limit=READ):
        if attempt.at < since:
            continue
        if attempt.stage == "admitted":
            admitted.add(attempt.station_id)
            continue
        if attempt.station_id and attempt.station_id in admitted:
            continue
        cause = found.setdefault((attempt.stage, attempt.cause), Cause(attempt.stage, attempt.cause))
        cause.attempts += attempt.count
        cause.last_at = max(cause.last_at or attempt.at, attempt.at)
        cause.first_at = min(cause.first_at or attempt.at, attempt.at)
        cause.addresses.add(attempt.peer.rpartition(":")[0] or attempt.peer)
        if attempt.station_id:
            cause.stations[attempt.station_id] = None
    return sorted(found.values(), key=lambda each: (-len(each.stations), -each.attempts))


def is_known(host: Host, station_id: str) -> bool:
    """Whether a station of that identity is registered."""
    try:
        host.stations.record(station_id)
    except CsmsdError:
        return False
    return True


def resembling(host: Host, station_id: str) -> list[str]:
    """Registered stations that differ in case, or by what stands in front or behind (WS-06)."""
    folded = station_id.casefold()
    return [
        record.id
        for record in host.stations.records()
        if record.id != station_id
        and (
            record.id.casefold() == folded
            or (
                len(record.id) > 3
                and (folded.endswith(record.id.casefold()) or folded.startswith(record.id.casefold()))
            )
        )
    ][:3]


def steps_for(host: Host, attempt: Attempt) -> Sequence[Step]:
    """What helps against an attempt's cause."""
    station_id = attempt.station_id
    match attempt.stage:
        case "identity" if station_id and not is_known(host, station_id):
            return (
                Step("Adopt it", "It is registered and let in at its next attempt.", "adopt", is_post=True),
                *(
                    Step(f"Is it {each}?", "Then correct the id in the charger.")
                    for each in resembling(host, station_id)
                ),
            )
        case "credentials" if "wait" in attempt.cause:
            return (
                Step("Wait a minute", "After too many refusals an address has to wait; correct the password first."),
            )
        case "credentials":
            return (
                Step(
                    "Make a new password", "And type it into the charger; it is shown once.", "password", is_post=True
                ),
                Step("Look at the user", "Basic authentication wants the station's id as its user."),
            )
        case "profile":
            return (Step("Change the security profile of its record", "Or that of the charger.", "edit"),)
        case "subprotocol":
            return (
                Step("Set OCPP 1.6 JSON in the charger", "It must offer the WebSocket subprotocol ocpp1.6."),
                Step("Or set access.subprotocol_mismatch", "For chargers that offer none and speak it all the same."),
            )
        case "path":
            return (Step("Correct the address in the charger", "The path before the id is one of listen.paths."),)
        case "tls":
            return (
                Step("Install our certificate's root in the charger", "It does not trust what we show."),
                Step(
                    "Compare ws:// and wss://",
                    "A charger that speaks plainly to a TLS port, or the reverse, ends here.",
                ),
            )
        case "readiness":
            return (Step("Look at csmsd itself", "It was starting, stopping, or its storage was away.", "/ui/plugins"),)
        case _:
            return (
                Step(
                    "Look at the network in between",
                    "Something opens connections and does not go on: a probe, a proxy.",
                ),
            )


def stages_of(attempt: Attempt) -> list[tuple[str, str]]:
    """The stages with `is-ok`, `is-bad` or `is-next`."""
    reached = STAGE_AT.get(attempt.stage, 2)
    is_in = attempt.stage == "admitted"
    return [
        (name, "is-ok" if at < reached or is_in else "is-bad" if at == reached else "is-next")
        for at, name in enumerate(STAGES)
    ]
