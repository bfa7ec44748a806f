"""What about a GetLog or a SignedUpdateFirmware is only warned of, whatever its certificate says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

from csmsd_security.messages import GetLog, SignedUpdateFirmware

PROTECTED = frozenset({"https", "ftps", "sftp"})


def about_log(request: GetLog) -> Iterator[str]:
    """One sentence for each finding (SEC-72, SEC-81)."""
    yield from _about_location("remoteLocation", request.log.remote_location)
    oldest, latest = request.log.oldest_timestamp, request.log.latest_timestamp
    if oldest is not None and latest is not None and latest < oldest:
        yield "latestTimestamp precedes oldestTimestamp: the log will be empty (SEC-72)"
    yield from _about_retries(request.retries, request.retry_interval)


def about_schedule(request: SignedUpdateFirmware) -> Iterator[str]:
    """One sentence for each finding (SEC-79, SEC-81)."""
    yield from _about_location("location", request.firmware.location)
    install: datetime | None = request.firmware.install_date_time
    if install is not None and install < request.firmware.retrieve_date_time:
        yield "installDateTime precedes retrieveDateTime (SEC-79)"
    yield from _about_retries(request.retries, request.retry_interval)


def _about_location(name: str, location: str) -> Iterator[str]:
    try:
        scheme = urlsplit(location).scheme.lower()
    except ValueError:
        yield f"{name} is not a URL"
        return
    if scheme not in PROTECTED:
        yield f"{name} should use https, ftps or sftp, which protect the file on its way (SEC-81)"


def _about_retries(retries: int | None, interval: int | None) -> Iterator[str]:
    if (retries is not None and retries < 0) or (interval is not None and interval < 0):
        yield "retries and retryInterval are not negative"
