"""`csmsd security`: events, certificates and profiles of a running csmsd, over its management API."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
import msgspec

from csmsd.cli.call import Answered, print_warnings
from csmsd.cli.failure import Failure
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment
from csmsd_security.authority import KEY_TYPES
from csmsd_security.jobs import STARTED
from csmsd_security.messages import CertificateHashData, CertificateUse, LogType

PEM_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class EventLine(msgspec.Struct, frozen=True):
    """A security event as the API shows it."""

    id: int
    station_id: str
    type: str
    reported_at: datetime
    count: int
    is_critical: bool
    tech_info: str | None = None
    acknowledged_at: datetime | None = None


class CertificateLine(msgspec.Struct, frozen=True):
    """A certificate as the API shows it."""

    id: str
    station_id: str
    state: str
    subject: str
    serial_number: str
    reason: str
    not_after: datetime | None = None


class _Pem(msgspec.Struct, frozen=True):
    pem: str


class _Raised(msgspec.Struct, frozen=True):
    status: str
    warnings: tuple[str, ...] = ()


class _Status(msgspec.Struct, frozen=True):
    status: str


class _Installed(msgspec.Struct, frozen=True):
    use: str
    hash_data: CertificateHashData


class _Started(msgspec.Struct, frozen=True):
    request_id: int
    status: str
    filename: str | None = None
    warnings: tuple[str, ...] = ()


def _moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """ISO 8601, without a zone local time."""
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    except ValueError:
        raise click.BadParameter(f"{value!r} is no moment like 2030-12-31T23:59:59Z") from None


@click.group()
def security() -> None:
    """Security: events, certificates, logs, signed firmware, profiles."""


@security.command("events")
@click.option("--station", metavar="STATION", help="Only of this station.")
@click.option("--alerts", is_flag=True, help="Only critical ones that nobody has acknowledged.")
@click.option("--acknowledge", "acknowledged", type=int, metavar="ID", help="Acknowledge this one instead.")
@click.option("--limit", type=click.IntRange(1), default=20, help="How many at most, the newest first. [20]")
@takes_server
def list_events(
    client: ApiClient, output: Output, station: str | None, alerts: bool, acknowledged: int | None, limit: int
) -> None:
    """List security events, newest first."""
    if acknowledged is not None:
        answer = client.post(f"/security/events/{acknowledged}/acknowledge", {})
        output.record(answer, lambda: f"event {acknowledged} is acknowledged")
        return
    output.rows(
        client.items("/security/events", most=limit, station=station, alerts="true" if alerts else None),
        EventLine,
        (
            ("id", lambda row: row.id),
            ("station", lambda row: row.station_id),
            ("type", lambda row: row.type),
            ("critical", lambda row: "yes" if row.is_critical else None),
            ("reported", lambda row: row.reported_at),
            ("count", lambda row: row.count),
            ("info", lambda row: row.tech_info),
            ("acknowledged", lambda row: row.acknowledged_at),
        ),
        "no security events",
    )


@security.command("get-log")
@click.argument("station_id", metavar="STATION")
@click.argument("location", metavar="URL")
@click.option("--type", "log_type", type=click.Choice(get_args(LogType)), default="SecurityLog", help="[SecurityLog]")
@click.option("--from", "oldest", callback=_moment, metavar="WHEN", help="Nothing older.")
@click.option("--to", "latest", callback=_moment, metavar="WHEN", help="Nothing newer.")
@click.option("--retries", type=click.IntRange(0), help="Attempts more, if the upload fails.")
@click.option("--retry-interval", type=click.IntRange(0), metavar="SECONDS", help="Between them.")
@takes_server
def get_log(
    client: ApiClient,
    output: Output,
    station_id: str,
    location: str,
    log_type: str,
    oldest: str | None,
    latest: str | None,
    retries: int | None,
    retry_interval: int | None,
) -> None:
    """Have STATION upload a log to URL."""
    body = {
        "remote_location": location,
        "log_type": log_type,
        "oldest_timestamp": oldest,
        "latest_timestamp": latest,
        "retries": retries,
        "retry_interval": retry_interval,
    }
    answer = client.post(f"/stations/{segment(station_id)}/log", body, timeout=None)
    _print_started(output, station_id, answer)


@security.command("update-signed")
@click.argument("station_id", metavar="STATION")
@click.argument("location", metavar="URL")
@click.option("--certificate", type=PEM_FILE, required=True, help="PEM.")
@click.option("--signature", required=True, metavar="BASE64", help="Of the whole file; @FILE reads it from a file.")
@click.option("--retrieve-at", callback=_moment, metavar="WHEN", help="Not before. [now]")
@click.option("--install-at", callback=_moment, metavar="WHEN", help="Not before.")
@takes_server
def update_signed(
    client: ApiClient,
    output: Output,
    station_id: str,
    location: str,
    certificate: Path,
    signature: str,
    retrieve_at: str | None,
    install_at: str | None,
) -> None:
    """Have STATION fetch signed firmware from URL and install it."""
    body = {
        "location": location,
        "signing_certificate": certificate.read_text(),
        "signature": Path(signature[1:]).read_text().strip() if signature.startswith("@") else signature,
        "retrieve_at": retrieve_at,
        "install_at": install_at,
    }
    answer = client.post(f"/stations/{segment(station_id)}/signed-update", body, timeout=None)
    _print_started(output, station_id, answer)


@security.command("certificates")
@click.option("--station", metavar="STATION", help="Only of this station.")
@takes_server
def list_certificates(client: ApiClient, output: Output, station: str | None) -> None:
    """List stations' certificates, newest first."""
    output.rows(
        client.items("/security/certificates", station=station),
        CertificateLine,
        (
            ("id", lambda row: row.id),
            ("station", lambda row: row.station_id),
            ("state", lambda row: row.state),
            ("subject", lambda row: row.subject),
            ("serial number", lambda row: row.serial_number),
            ("ends", lambda row: row.not_after),
            ("remarks", lambda row: row.reason),
        ),
        "no certificates",
    )


@security.group("ca")
def ca() -> None:
    """The built-in certificate authority, and chains signed elsewhere."""


@ca.command("init")
@click.option("--type", "kind", type=click.Choice(KEY_TYPES), default="ecdsa", help="Of its key. [ecdsa]")
@takes_server
def init_authority(client: ApiClient, output: Output, kind: str) -> None:
    """Make the built-in authority; its key stays on the server."""
    answer = client.post("/security/authority", {"type": kind})
    output.record(answer, lambda: msgspec.json.decode(answer, type=_Pem).pem)


@ca.command("sign")
@click.argument("certificate_id", metavar="ID")
@click.argument("chain", type=PEM_FILE)
@takes_server
def upload_chain(client: ApiClient, output: Output, certificate_id: str, chain: Path) -> None:
    """Send the station of request ID the CHAIN (PEM, leaf first) that was signed elsewhere."""
    path = f"/security/certificates/{segment(certificate_id)}/chain"
    answer = client.post(path, {"chain": chain.read_text()}, timeout=None)
    line = msgspec.json.decode(answer, type=CertificateLine)
    output.record(answer, lambda: f"{line.station_id}: its certificate is {line.state}")


@ca.command("revoke")
@click.argument("certificate_id", metavar="ID")
@takes_server
def revoke_certificate(client: ApiClient, output: Output, certificate_id: str) -> None:
    """Revoke a certificate: it opens no connection any more."""
    answer = client.post(f"/security/certificates/{segment(certificate_id)}/revoke", {})
    output.record(answer, lambda: f"certificate {certificate_id} is revoked")


@security.command("install-cert")
@click.argument("station_id", metavar="STATION")
@click.argument("use", type=click.Choice(get_args(CertificateUse)))
@click.argument("certificate", type=PEM_FILE)
@takes_server
def install_certificate(client: ApiClient, output: Output, station_id: str, use: str, certificate: Path) -> None:
    """Install the root CERTIFICATE (PEM) in STATION."""
    body = {"certificateType": use, "certificate": certificate.read_bytes().decode()}
    _call(client, output, station_id, "InstallCertificate", body)


@security.command("delete-cert")
@click.argument("station_id", metavar="STATION")
@click.argument("serial_number", metavar="SERIAL")
@takes_server
def delete_certificate(client: ApiClient, output: Output, station_id: str, serial_number: str) -> None:
    """Delete the root certificate with this serial number, as STATION has reported it."""
    items = client.items(f"/stations/{segment(station_id)}/security/installed")
    lines = [msgspec.json.decode(item, type=_Installed) for item in items]
    found = [line for line in lines if line.hash_data.serial_number.casefold() == serial_number.casefold()]
    if len(found) != 1:
        raise Failure(f"{station_id} has reported {len(found)} certificates with the serial number {serial_number}")
    body = {"certificateHashData": msgspec.to_builtins(found[0].hash_data)}
    _call(client, output, station_id, "DeleteCertificate", body)


@security.group("profile")
def profile() -> None:
    """Security profiles of stations."""


@profile.command("raise")
@click.argument("station_id", metavar="STATION")
@click.argument("number", type=click.IntRange(1, 3), metavar="PROFILE")
@takes_server
def raise_profile(client: ApiClient, output: Output, station_id: str, number: int) -> None:
    """Have STATION use the security profile PROFILE from its next connection on."""
    answer = client.post(f"/stations/{segment(station_id)}/security/profile", {"profile": number}, timeout=None)
    raised = msgspec.json.decode(answer, type=_Raised)
    if not output.is_json:
        print_warnings(raised.warnings)
    if raised.status not in ("Accepted", "RebootRequired"):
        raise Failure(f"{station_id} answered {raised.status}; its profile stays as it is")
    output.record(answer, lambda: f"{station_id} answered {raised.status}; reset it to use profile {number}")


def _call(client: ApiClient, output: Output, station_id: str, action: str, body: object) -> None:
    answer = client.post(f"/stations/{segment(station_id)}/commands/{action}", body, timeout=None)
    answered = msgspec.json.decode(answer, type=Answered)
    if not output.is_json:
        print_warnings(answered.warnings)
    status = msgspec.json.decode(answered.result, type=_Status).status
    if status != "Accepted":
        raise Failure(f"{station_id} answered {status}")
    output.record(answer, lambda: f"{station_id} has accepted {action}")


def _print_started(output: Output, station_id: str, answer: msgspec.Raw) -> None:
    started = msgspec.json.decode(answer, type=_Started)
    if not output.is_json:
        print_warnings(started.warnings)
    if started.status not in STARTED:
        raise Failure(f"{station_id} will not do it: it answered {started.status}")
    name = f", file {started.filename}" if started.filename else ""
    output.record(answer, lambda: f"{station_id} answered {started.status} to request {started.request_id}{name}")
