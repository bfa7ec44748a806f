"""`csmsd firmware` and `csmsd diagnostics`: updates and files of a running csmsd, over its management API."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from csmsd.cli.call import print_warnings
from csmsd.cli.failure import ExitCode, Failure
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment
from csmsd_firmware.cli_campaigns import campaign
from csmsd_firmware.records import Image, Job, ReceivedFile, ReportedStatus

FAILURES = {"disconnected": ExitCode.OFFLINE, "timeout": ExitCode.TIMEOUT}
RETRIES = (
    click.option("--retries", type=click.IntRange(0), help="Further attempts of the station."),
    click.option("--retry-interval", type=click.IntRange(0), metavar="SECONDS", help="Between them."),
)


class _Record(msgspec.Struct, frozen=True):
    state: str
    error: str = ""
    error_code: str = ""


class _Sent(msgspec.Struct, frozen=True):
    record: _Record
    job: Job | None = None
    warnings: tuple[str, ...] = ()


class _Firmware(msgspec.Struct, frozen=True):
    version: str
    wants_signed_updates: bool
    jobs: tuple[Job, ...]
    statuses: tuple[ReportedStatus, ...]


def moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """ISO 8601, without a zone local time."""
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    except ValueError:
        raise click.BadParameter(f"{value!r} is no moment like 2030-12-31T23:59:59Z") from None


def takes_retries(command: Any) -> Any:
    """`--retries` and `--retry-interval`."""
    for option in reversed(RETRIES):
        command = option(command)
    return command


@click.group()
def firmware() -> None:
    """Firmware: images, updates, campaigns."""


firmware.add_command(campaign)


@firmware.group()
def image() -> None:
    """Firmware images that csmsd offers to stations."""


@image.command("add")
@click.argument("file", type=click.File("rb"))
@click.option("--name", help="How it is called in locations. [the file's name]")
@click.option("--version", default="", help="What a station calls itself that has it.")
@click.option("--note", default="", help="For people.")
@click.option("--sha256", default="", metavar="HEX", help="What must arrive.")
@takes_server
def add_image(
    client: ApiClient, output: Output, file: BinaryIO, name: str | None, version: str, note: str, sha256: str
) -> None:
    """Upload an image."""
    name = name or Path(file.name).name
    answer = client.upload(f"/firmware/images/{segment(name)}", file, version=version, note=note, sha256=sha256)
    added = msgspec.json.decode(answer, type=Image)
    output.record(answer, lambda: f"{added.name} is added: {added.size} bytes, SHA-256 {added.sha256}")


@image.command("list")
@takes_server
def list_images(client: ApiClient, output: Output) -> None:
    """List images."""
    output.rows(
        client.items("/firmware/images"),
        Image,
        (
            ("name", lambda row: row.name),
            ("version", lambda row: row.version),
            ("bytes", lambda row: row.size),
            ("SHA-256", lambda row: row.sha256),
            ("added", lambda row: row.created_at),
            ("note", lambda row: row.note),
        ),
        "no images: `csmsd firmware image add <file>` adds one",
    )


@image.command("remove")
@click.argument("name")
@takes_server
def remove_image(client: ApiClient, output: Output, name: str) -> None:
    """Remove an image."""
    client.delete(f"/firmware/images/{segment(name)}")
    output.done(f"{name} is removed")


@firmware.command("update")
@click.argument("station_id", metavar="STATION")
@click.option("--image", default="", metavar="NAME", help="An image of csmsd's.")
@click.option("--location", default="", metavar="URL", help="An image elsewhere, sent exactly as given.")
@click.option("--not-before", "retrieve_date", callback=moment, metavar="WHEN", help="When to fetch it. [now]")
@takes_retries
@takes_server
def update(client: ApiClient, output: Output, station_id: str, **body: Any) -> None:
    """Tell STATION to update its firmware."""
    _send(client, output, station_id, "firmware", body)


@firmware.command("status")
@click.argument("station_id", metavar="STATION")
@takes_server
def status(client: ApiClient, output: Output, station_id: str) -> None:
    """Show the updates of STATION."""
    answer = client.get(f"/stations/{segment(station_id)}/firmware")
    found = msgspec.json.decode(answer, type=_Firmware)
    if output.is_json:
        output.record(answer, str)
        return
    click.echo(f"{station_id} has firmware {found.version or '(unknown)'}")
    if found.wants_signed_updates:
        print_warnings([f"{station_id} wants SignedUpdateFirmware"])
    output.rows(
        found.jobs,
        Job,
        (
            ("job", lambda row: row.id),
            ("state", lambda row: row.state),
            ("changed", lambda row: row.changed_at),
            ("from", lambda row: row.version_before),
            ("to", lambda row: row.version_after or row.expected_version),
            ("error", lambda row: row.error),
        ),
        "no updates",
    )


@click.group()
def diagnostics() -> None:
    """Diagnostics of stations: get, list, save."""


@diagnostics.command("get")
@click.argument("station_id", metavar="STATION")
@click.option("--location", default="", metavar="URL", help="A directory elsewhere. [csmsd itself]")
@click.option("--from", "start_time", callback=moment, metavar="WHEN", help="Of what time.")
@click.option("--to", "stop_time", callback=moment, metavar="WHEN", help="Until when.")
@takes_retries
@takes_server
def get_diagnostics(client: ApiClient, output: Output, station_id: str, **body: Any) -> None:
    """Ask STATION to upload its diagnostics."""
    _send(client, output, station_id, "diagnostics", body)


@diagnostics.command("list")
@click.argument("station_id", metavar="[STATION]", required=False)
@takes_server
def list_files(client: ApiClient, output: Output, station_id: str | None) -> None:
    """List files that stations have uploaded, newest first."""
    output.rows(
        client.items("/diagnostics/files", most=1000, station_id=station_id),
        ReceivedFile,
        (
            ("file", lambda row: row.id),
            ("station", lambda row: row.station_id),
            ("received", lambda row: row.received_at),
            ("bytes", lambda row: row.size),
            ("called", lambda row: row.claimed_name),
        ),
        "no files: `csmsd diagnostics get <station>` asks for some",
    )


@diagnostics.command("save")
@click.argument("file_id", metavar="FILE", type=click.IntRange(1))
@click.option("--output", "-o", "target", type=click.File("wb"), default="-", help="Where to. [standard output]")
@takes_server
def save(client: ApiClient, output: Output, file_id: int, target: BinaryIO) -> None:
    """Save a file by its number."""
    size = client.save(f"/diagnostics/files/{file_id}/content", target)
    click.echo(f"{size} bytes", err=True)


def _send(client: ApiClient, output: Output, station_id: str, what: str, body: dict[str, Any]) -> None:
    answer = client.post(f"/stations/{segment(station_id)}/{what}", body, timeout=None)
    sent = msgspec.json.decode(answer, type=_Sent)
    if not output.is_json:
        print_warnings(sent.warnings)
    if sent.record.state != "answered":
        reason = (sent.job.error if sent.job is not None else "") or sent.record.error or sent.record.state
        raise Failure(reason, FAILURES.get(sent.record.state, ExitCode.REFUSED))
    job = sent.job
    output.record(answer, lambda: f"{station_id}: {job.state}; job {job.id}" if job is not None else station_id)
