"""`csmsd attempts`: the connection doctor. Why does this charger not connect?"""

from __future__ import annotations

from datetime import datetime

import click
import msgspec

from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment


class AttemptLine(msgspec.Struct, frozen=True):
    """One attempt to connect, or several equal ones in a row."""

    at: datetime
    peer: str
    stage: str
    cause: str = ""
    station_id: str = ""
    listener: str = ""
    count: int = 1

    @property
    def in_words(self) -> str:
        """What came of it."""
        words = "was let in" if self.stage == "admitted" else f"refused at {self.stage}: {self.cause}"
        return f"{words} ({self.count} times)" if self.count > 1 else words


@click.command()
@click.argument("station_id", metavar="[STATION]", default="")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="How many at most. [20]")
@takes_server
def attempts(client: ApiClient, output: Output, station_id: str, limit: int) -> None:
    """Show the latest attempts to connect, and why they failed; with STATION only its own."""
    path = f"/stations/{segment(station_id)}/attempts" if station_id else "/attempts"
    output.rows(
        client.items(path, most=limit),
        AttemptLine,
        (
            ("when", lambda row: row.at),
            ("station", lambda row: row.station_id),
            ("from", lambda row: row.peer),
            ("what happened", lambda row: row.in_words),
        ),
        "nobody has tried to connect: check the URL in the charger, and the network between",
    )
