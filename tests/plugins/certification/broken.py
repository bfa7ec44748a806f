"""Central systems that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import trio

from csmsd_certification.central import CentralSystem, Outcome
from csmsd_core import Tag

NEVER_SENT = "never sent"
Change = Callable[[dict[str, Any]], dict[str, Any] | None]


class Tampering(CentralSystem):
    """Passes everything on, but goes wrong where it is told to; places are (id of a case, action of a command).

    `changes` alters the payloads of commands on their way; None: it is not sent at all. `forgets`: of which of these
    commands, counted from 1, the operator never sees the answer. `orders` has the commands of each case in order.
    """

    def __init__(
        self,
        inner: CentralSystem,
        changes: Mapping[tuple[str, str], Change],
        forgets: Mapping[tuple[str, str], int] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self._inner, self._changes, self._forgets = inner, changes, forgets
        self._forgotten: set[str] = set()
        self.orders: dict[str, list[str]] = {}
        self.catalogue, self.info, self.credentials = inner.catalogue, inner.info, inner.credentials
        self.url, self.tls_url = inner.url, inner.tls_url

    async def put_station(self, identity: str, password: str | None, security_profile: int) -> None:
        await self._inner.put_station(identity, password, security_profile)

    async def put_tag(self, tag: Tag) -> None:
        await self._inner.put_tag(tag)

    async def raise_profile(self, identity: str, security_profile: int) -> None:
        await self._inner.raise_profile(identity, security_profile)

    async def send(self, identity: str, action: str, payload: bytes) -> str:
        case_id = identity.removeprefix("CERT-")
        place = (case_id, action)
        self.orders.setdefault(case_id, []).append(action)
        change = self._changes.get(place)
        if change is not None:
            changed = change(msgspec.json.decode(payload))
            if changed is None:
                return NEVER_SENT
            payload = msgspec.json.encode(changed)
        command_id = await self._inner.send(identity, action, payload)
        if self._forgets.get(place) == self.orders[case_id].count(action):
            self._forgotten.add(command_id)
        return command_id

    async def outcome(self, command_id: str) -> Outcome:
        if command_id == NEVER_SENT:
            await trio.sleep_forever()
        outcome = await self._inner.outcome(command_id)
        return msgspec.structs.replace(outcome, result=b"null") if command_id in self._forgotten else outcome


def dropped(_payload: dict[str, Any]) -> None:
    """The command never leaves."""


def with_value(*path: str, value: Any) -> Change:
    """The command leaves with another value of one field."""

    def change(payload: dict[str, Any]) -> dict[str, Any]:
        place: Any = payload
        for name in path[:-1]:
            place = place[int(name) if name.isdigit() else name]
        place[path[-1]] = value
        return payload

    return change


def without(*path: str) -> Change:
    """The command leaves without one field."""

    def change(payload: dict[str, Any]) -> dict[str, Any]:
        place: Any = payload
        for name in path[:-1]:
            place = place[int(name) if name.isdigit() else name]
        del place[path[-1]]
        return payload

    return change


def where(name: str, is_value: object, change: Change) -> Change:
    """Only those commands are changed in which a field has this value."""
    return lambda payload: change(payload) if payload.get(name) == is_value else payload
