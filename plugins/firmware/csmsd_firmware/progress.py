"""How a status notification, an answer or a boot moves a job on; no I/O (FW-04, FW-05, DIAG-02, DIAG-03).

Stations repeat themselves, report late and out of order, and try again after a failure: a job never goes back from
something that is known, except that a failure gives way to the next attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal["firmware", "diagnostics"]
State = Literal[
    "requested",  # on its way to the station
    "not sent",  # the station left before it could be told
    "unanswered",  # nobody knows whether the station was told
    "refused",  # CALLERROR
    "accepted",
    "downloading",
    "download failed",
    "downloaded",
    "installing",
    "installation failed",
    "installed",
    "no diagnostics",
    "uploading",
    "upload failed",
    "uploaded",
]

UNTOUCHED: frozenset[State] = frozenset({"requested", "unanswered", "accepted"})
NEVER_BEGUN: frozenset[State] = frozenset({"not sent", "refused"})  # statuses belong to the job before
SUCCEEDED: frozenset[State] = frozenset({"installed", "uploaded", "no diagnostics"})
FAILED: frozenset[State] = frozenset({"not sent", "refused", "download failed", "installation failed", "upload failed"})
ENDED = SUCCEEDED | FAILED

_BEFORE_DOWNLOADED: frozenset[State] = frozenset({*UNTOUCHED, "downloading", "download failed", "installation failed"})
_BEFORE_INSTALLED: frozenset[State] = frozenset({*_BEFORE_DOWNLOADED, "downloaded", "installing"})
_EVEN_INSTALLED: frozenset[State] = frozenset({*_BEFORE_INSTALLED, "installed"})
_NEW_DOWNLOAD: frozenset[State] = frozenset({*UNTOUCHED, "downloading", "download failed"})
_BEFORE_UPLOADED: frozenset[State] = frozenset({*UNTOUCHED, "no diagnostics", "uploading", "upload failed"})

# status: the state it leads to, and the states it can follow
_FIRMWARE: Mapping[str, tuple[State, frozenset[State]]] = {
    "Downloading": ("downloading", _BEFORE_DOWNLOADED),
    "DownloadFailed": ("download failed", _NEW_DOWNLOAD),
    "Downloaded": ("downloaded", _BEFORE_DOWNLOADED),
    "Installing": ("installing", _BEFORE_INSTALLED),
    "InstallationFailed": ("installation failed", _EVEN_INSTALLED),
    "Installed": ("installed", _EVEN_INSTALLED),
}
_DIAGNOSTICS: Mapping[str, tuple[State, frozenset[State]]] = {
    "Uploading": ("uploading", _BEFORE_UPLOADED),
    "UploadFailed": ("upload failed", _BEFORE_UPLOADED),
    "Uploaded": ("uploaded", _BEFORE_UPLOADED),
}
STATES_BY_STATUS: Mapping[Kind, Mapping[str, tuple[State, frozenset[State]]]] = {
    "firmware": _FIRMWARE,
    "diagnostics": _DIAGNOSTICS,
}


def after_status(kind: Kind, state: State, status: str) -> State:
    """The state after a status notification; `Idle` answers a trigger and changes nothing."""
    following, before = STATES_BY_STATUS[kind].get(status, (state, frozenset[State]()))
    return following if state in before else state


def after_answer(state: State, answered: State) -> State:
    """The state after the answer to the command, which may come later than the first status."""
    return answered if state in ("requested", "unanswered", "not sent") else state


def shows_success(state: State, version: str, version_before: str, expected_version: str) -> bool:
    """Whether a boot with this firmware version tells that an update has succeeded (FW-05)."""
    if state in FAILED or not version:
        return False
    return version == expected_version or (version_before not in ("", version))


def shown_by(known: str, now: str) -> str:
    """What tells that the update is installed: `status`, `version` or both."""
    return "both" if known not in ("", now) else now
