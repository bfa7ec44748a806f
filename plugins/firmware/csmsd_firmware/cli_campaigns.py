"""`csmsd firmware campaign`: updates of many stations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import msgspec

from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient
from csmsd_firmware.campaign_rules import Campaign, Member


class _Line(msgspec.Struct, frozen=True):
    campaign: Campaign
    counts: Mapping[str, int]


class _Member(msgspec.Struct, frozen=True):
    member: Member
    job_state: str


class _View(msgspec.Struct, frozen=True):
    campaign: Campaign
    counts: Mapping[str, int]
    members: tuple[_Member, ...]


@click.group()
def campaign() -> None:
    """Updates of many stations, in waves."""


@campaign.command("start")
@click.argument("name")
@click.option("--image", default="", metavar="NAME", help="An image of csmsd's.")
@click.option("--location", default="", metavar="URL", help="An image elsewhere.")
@click.option("--station", "ids", multiple=True, metavar="STATION", help="Which one; may be repeated.")
@click.option("--vendor", help="All of this vendor.")
@click.option("--model", help="All of this model.")
@click.option("--having", "firmware_version", metavar="VERSION", help="All that have this firmware.")
@click.option("--all", "is_all", is_flag=True, help="All stations.")
@click.option("--wave", "wave_size", type=click.IntRange(1), default=10, show_default=True, help="Stations at a time.")
@click.option("--pause", "wave_pause", type=click.FloatRange(0), default=0.0, help="Seconds between waves.")
@click.option("--max-failures", type=click.IntRange(0), default=0, show_default=True, help="More than these stop it.")
@click.option("--at", "starts_at", metavar="WHEN", help="When to begin. [now]")
@click.option("--patience", type=click.FloatRange(1), default=86_400.0, show_default=True, help="Seconds per station.")
@takes_server
def start(client: ApiClient, output: Output, name: str, **options: Any) -> None:
    """Update many stations."""
    selection = {key: options[key] for key in ("ids", "vendor", "model", "firmware_version")}
    plan = {key: options[key] for key in ("wave_size", "wave_pause", "max_failures", "starts_at", "patience")}
    plan["source"] = {"image": options["image"], "location": options["location"]}
    body = {"name": name, "plan": plan, "stations": {**selection, "all": options["is_all"]}}
    answer = client.post("/firmware/campaigns", body)
    started = msgspec.json.decode(answer, type=Campaign)
    output.record(answer, lambda: f"campaign {started.id} is {started.state}")


@campaign.command("list")
@takes_server
def list_campaigns(client: ApiClient, output: Output) -> None:
    """List campaigns, newest first."""
    output.rows(
        client.items("/firmware/campaigns", most=1000),
        _Line,
        (
            ("campaign", lambda row: row.campaign.id),
            ("name", lambda row: row.campaign.name),
            ("state", lambda row: row.campaign.state),
            ("wave", lambda row: row.campaign.wave),
            ("stations", lambda row: _counted(row.counts)),
            ("begun", lambda row: row.campaign.created_at),
        ),
        "no campaigns: `csmsd firmware campaign start` begins one",
    )


@campaign.command("show")
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1))
@takes_server
def show(client: ApiClient, output: Output, campaign_id: int) -> None:
    """Show a campaign with all its stations."""
    answer = client.get(f"/firmware/campaigns/{campaign_id}")
    view = msgspec.json.decode(answer, type=_View)
    if output.is_json:
        output.record(answer, str)
        return
    reason = f" ({view.campaign.reason})" if view.campaign.reason else ""
    click.echo(f"{view.campaign.name} is {view.campaign.state}{reason}: {_counted(view.counts)}")
    output.rows(
        view.members,
        _Member,
        (
            ("station", lambda row: row.member.station_id),
            ("wave", lambda row: row.member.wave or None),
            ("state", lambda row: row.member.state),
            ("update", lambda row: row.job_state),
            ("error", lambda row: row.member.error),
        ),
        "no stations",
    )


@campaign.command("pause")
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1))
@takes_server
def pause(client: ApiClient, output: Output, campaign_id: int) -> None:
    """Begin no further stations."""
    _order(client, output, campaign_id, "pause")


@campaign.command("resume")
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1))
@takes_server
def resume(client: ApiClient, output: Output, campaign_id: int) -> None:
    """Go on."""
    _order(client, output, campaign_id, "resume")


@campaign.command("abort")
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1))
@takes_server
def abort(client: ApiClient, output: Output, campaign_id: int) -> None:
    """End it; stations that have been told already go on."""
    _order(client, output, campaign_id, "abort")


def _order(client: ApiClient, output: Output, campaign_id: int, order: str) -> None:
    answer = client.post(f"/firmware/campaigns/{campaign_id}/{order}")
    changed = msgspec.json.decode(answer, type=Campaign)
    output.record(answer, lambda: f"campaign {campaign_id} is {changed.state}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
