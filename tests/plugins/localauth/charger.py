"""A station with a local list that follows the specification, and does not always say so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from csmsd.ocpp.frames import Call, CallError
from csmsd.testing import TestCsms, TestStation
from csmsd_core import CorePlugin, GetConfiguration, GetConfigurationResponse, IdTagInfo, KeyValue, Tag
from csmsd_localauth import (
    GetLocalListVersionResponse,
    LocalAuthPlugin,
    SendLocalList,
    SendLocalListResponse,
)
from tests.plugins.profile import booted


@dataclass
class Charger:
    """`mode`: how the next messages are treated; `refusals`: statuses for SendLocalLists to come, None: obey."""

    wire: TestStation
    entries: dict[str, tuple[str, IdTagInfo]] = field(default_factory=dict[str, tuple[str, IdTagInfo]])
    version: int = 0
    list_length: int | None = 100
    message_length: int | None = 3
    refusals: list[Any] = field(default_factory=list[Any])
    is_mute: bool = False
    sent: list[SendLocalList] = field(default_factory=list[SendLocalList])
    asked: list[str] = field(default_factory=list[str])
    configuration_reads: list[GetConfiguration] = field(default_factory=list[GetConfiguration])

    def __post_init__(self) -> None:
        self.wire.behaviour |= {
            "GetLocalListVersion": self.report,
            "SendLocalList": self.take,
            "GetConfiguration": self.tell,
        }

    def report(self, call: Call) -> Any:
        self.asked.append(call.action)
        return GetLocalListVersionResponse(0 if not self.entries else self.version)

    def tell(self, call: Call) -> Any:
        request = msgspec.json.decode(bytes(call.payload), type=GetConfiguration)
        self.configuration_reads.append(request)
        values = {"LocalAuthListMaxLength": self.list_length, "SendLocalListMaxLength": self.message_length}
        known = tuple(
            KeyValue(key, readonly=True, value=str(values[key])) for key in request.key if values.get(key) is not None
        )
        unknown = tuple(key for key in request.key if values.get(key) is None)
        return GetConfigurationResponse(known, unknown)

    def take(self, call: Call) -> Any:
        self.asked.append(call.action)
        request = msgspec.json.decode(bytes(call.payload), type=SendLocalList)
        self.sent.append(request)
        refusal = self.refusals.pop(0) if self.refusals else None
        if isinstance(refusal, CallError) or refusal == "deaf":
            return None if refusal == "deaf" else refusal
        status = refusal or self.apply(request)
        return None if self.is_mute else SendLocalListResponse(status)

    def apply(self, request: SendLocalList) -> Any:
        changed = dict(self.entries) if request.update_type == "Differential" else {}
        if request.update_type == "Differential" and request.list_version <= self.version:
            return "VersionMismatch"
        if self.message_length is not None and len(request.local_authorization_list) > self.message_length:
            return "Failed"
        for each in request.local_authorization_list:
            if each.id_tag_info is None:
                changed.pop(each.id_tag.casefold(), None)
            else:
                changed[each.id_tag.casefold()] = each.id_tag, each.id_tag_info
        if self.list_length is not None and len(changed) > self.list_length:
            return "Failed"
        self.entries, self.version = changed, request.list_version
        return "Accepted"

    def tags(self) -> list[str]:
        return sorted(id_tag for id_tag, _ in self.entries.values())

    def restart_empty(self) -> None:
        self.entries, self.version = {}, 0


def core_of(csms: TestCsms) -> CorePlugin:
    core = csms.host.plugins.get("core")
    assert isinstance(core, CorePlugin)
    return core


def plugin_of(csms: TestCsms) -> LocalAuthPlugin:
    plugin = csms.host.plugins.get("localauth")
    assert isinstance(plugin, LocalAuthPlugin)
    return plugin


async def charger_in(csms: TestCsms, station_id: str = "CP-1") -> Charger:
    return Charger(await booted(csms, station_id, call_timeout=5.0))


async def put(csms: TestCsms, *id_tags: str, **fields: Any) -> None:
    for id_tag in id_tags:
        await core_of(csms).tags.put(Tag(id_tag, **fields), actor="test")


def expected(csms: TestCsms) -> dict[str, tuple[str, IdTagInfo]]:
    """What the operator's id tags say."""
    now = csms.host.env.now()
    return {
        tag.id_tag.casefold(): (
            tag.id_tag,
            IdTagInfo(
                "Expired" if tag.status == "Accepted" and tag.expires_at and tag.expires_at <= now else tag.status,
                tag.expires_at,
                tag.parent_id_tag or None,
            ),
        )
        for tag in core_of(csms).tags.all()
    }
