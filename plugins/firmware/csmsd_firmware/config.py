"""`[plugin.firmware]`: what the operator can set for Firmware Management."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Size = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Days = Annotated[float, Meta(ge=0)]


class FirmwareConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds where not said otherwise, sizes in bytes."""

    public_url: Annotated[
        str, "How stations reach listen.http, such as https://files.example.com; empty: as it listens."
    ] = ""
    link_lifetime: Annotated[Seconds, "How long the link to a file is good, for the one station it was made for."] = (
        86_400.0
    )
    image_bytes: Annotated[Size, "The largest firmware image."] = 1_073_741_824
    upload_bytes: Annotated[Size, "The largest file that a station may upload."] = 104_857_600
    station_quota: Annotated[Size, "What the files of one station may take up."] = 524_288_000
    idle_timeout: Annotated[Seconds, "For the next part of a file that is being sent."] = 60.0
    file_retention_days: Annotated[Days, "How long files of stations are kept; 0 = for ever."] = 90.0
    history_retention_days: Annotated[Days, "How long ended jobs are kept; 0 = for ever."] = 730.0
    campaign_interval: Annotated[Seconds, "How often campaigns are looked after."] = 5.0
