"""What about an update or an upload is likely to be refused (OP-02, FW-07, FW-08)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from csmsd.station import Station
from csmsd_core import CorePlugin
from csmsd_firmware.jobs import Jobs
from csmsd_firmware.messages import GetDiagnostics, UpdateFirmware
from csmsd_firmware.redaction import masked

COMMON_SCHEMES = ("ftp", "ftps", "http", "https", "sftp")


def warnings(core: CorePlugin, jobs: Jobs, station: Station, request: UpdateFirmware | GetDiagnostics) -> Iterator[str]:
    """One sentence for each finding."""
    scheme = scheme_of(request.location)
    supported = core.configuration.remembered(station.id, "SupportedFileTransferProtocols")
    named = [each.strip().lower() for each in (supported or "").split(",") if each.strip()]
    if not scheme:
        yield f"{masked(request.location)} is no URI with a scheme such as https"
    elif named and scheme not in named:
        yield f"{station.id} supports {supported}, not {scheme} (FW-08)"
    elif scheme not in COMMON_SCHEMES:
        yield f"few stations know the scheme {scheme}"
    if isinstance(request, UpdateFirmware) and jobs.wants_signed_updates(station.id):
        yield f"{station.id} answered NotSupported before: it wants SignedUpdateFirmware (FW-07)"
    if isinstance(request, GetDiagnostics) and _is_reversed(request):
        yield "startTime is after stopTime"
    if core.configuration.lacks_profile(station.id, "FirmwareManagement"):
        yield f"{station.id} does not name FirmwareManagement among its SupportedFeatureProfiles (OP-02)"


def scheme_of(location: str) -> str:
    """In lower case; "" if there is none, or nothing that it is the scheme of."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    return parts.scheme.lower() if parts.netloc else ""


def _is_reversed(request: GetDiagnostics) -> bool:
    return request.start_time is not None and request.stop_time is not None and request.start_time > request.stop_time
