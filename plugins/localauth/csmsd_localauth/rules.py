"""What about these commands is refused, and what is only warned of."""

from __future__ import annotations

from collections.abc import Iterator

from csmsd.station import Station
from csmsd_core import CorePlugin
from csmsd_localauth.ledger import folded
from csmsd_localauth.limits import LIST_KEY, MESSAGE_KEY
from csmsd_localauth.messages import SendLocalList
from csmsd_localauth.mirror import ListState


def refusal(request: SendLocalList) -> str | None:
    """LAL-03, LAL-05; that versions are positive is the message's own rule (LAL-02)."""
    entries = request.local_authorization_list
    if request.update_type == "Full" and any(each.id_tag_info is None for each in entries):
        return "every entry of a Full list has idTagInfo (LAL-03)"
    if len({folded(each.id_tag) for each in entries}) < len(entries):
        return "an id tag is in the list more than once, whatever the case (LAL-05)"
    return None


def about_support(core: CorePlugin, station: Station, state: ListState) -> Iterator[str]:
    """LAL-13."""
    configuration = core.configuration
    if configuration.lacks_profile(station.id, "LocalAuthListManagement"):
        yield f"{station.id} does not name LocalAuthListManagement among its SupportedFeatureProfiles (LAL-13)"
    enabled = (configuration.remembered(station.id, "LocalAuthListEnabled") or "").strip().lower()
    if enabled == "false":
        yield f"LocalAuthListEnabled of {station.id} is false (LAL-13)"
    if not state.is_supported:
        yield f"{station.id} has said that it has no local list (LAL-08)"


def about_sending(core: CorePlugin, station: Station, request: SendLocalList, state: ListState) -> Iterator[str]:
    """One sentence for each finding (OP-02)."""
    yield from about_support(core, station, state)
    entries = request.local_authorization_list
    message_length = core.configuration.number(station.id, MESSAGE_KEY)
    if message_length is not None and len(entries) > message_length:
        yield f"{MESSAGE_KEY} of {station.id} is {message_length}, this has {len(entries)} entries (LAL-06)"
    length = core.configuration.number(station.id, LIST_KEY)
    if length is not None and request.update_type == "Full" and len(entries) > length:
        yield f"{LIST_KEY} of {station.id} is {length}, this has {len(entries)} entries (LAL-06)"
    if any(each.id_tag_info is not None and each.id_tag_info.status == "ConcurrentTx" for each in entries):
        yield "ConcurrentTx is a matter of the moment and does not belong into a list (LAL-10)"
    if request.update_type == "Full":
        return
    if not entries:
        yield "a Differential without entries has no effect (LAL-04)"
    if state.version is not None and request.list_version <= state.version:
        yield f"the version is not greater than the present one, {state.version}: expect VersionMismatch (LAL-04)"
    if not state.is_certain:
        yield "what the station's list contains is not certain: a Full list is safe (LAL-09)"
