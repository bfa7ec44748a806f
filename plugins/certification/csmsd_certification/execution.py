"""What a case works with: its charger, its central system, its id tags."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import trio

from csmsd.errors import CsmsdError
from csmsd_certification.case import Case, CaseFailed
from csmsd_certification.central import CentralSystem, NotApplicable, Refused
from csmsd_certification.charger import OCPP, Charger, Command, Fields
from csmsd_certification.connection import Connection, Door
from csmsd_certification.wire import WireLog
from csmsd_core import Tag

CONNECTORS = 2
_encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Execution:
    """One case in execution. `order` is the operator's way to the station, `charger` the station's to the system."""

    def __init__(self, case: Case, central: CentralSystem, nursery: trio.Nursery, timeout: float) -> None:
        self.case, self.central, self.timeout = case, central, timeout
        self.log = WireLog()
        self.identity = f"CERT-{case.id}{central.suffix}"
        self.security_profile = max(case.security_profile, central.lowest_profile)
        self.charger = Charger(self.identity, central.catalogue, self.log, timeout)
        self._password = central.credentials.new_password()
        self.door = self.door_of(self.security_profile)
        self._nursery = nursery
        self._tags = count(1)

    # -- the connection --------------------------------------------------------------------------------

    def door_of(self, security_profile: int) -> Door:
        """Where and how a station of this profile (1 to 3) connects."""
        credentials = self.central.credentials
        match security_profile:
            case 1:
                return Door(self.central.url, self._password)
            case 2:
                url = self.central.tls_url if self.central.lowest_profile == 1 else self.central.url
                return Door(url, self._password, credentials.client_context())
            case _:
                return Door(self.central.tls_url, None, credentials.client_context(self.identity))

    async def provision(self) -> None:
        """Make the station known."""
        await self.central.put_station(self.identity, self.door.password, self.security_profile)

    async def connect(self, subprotocols: tuple[str, ...] = (OCPP,)) -> None:
        """Connect, anew if need be."""
        await self.charger.connect(self._nursery, self.door, subprotocols)

    async def knock(self, door: Door, subprotocols: tuple[str, ...] = (OCPP,)) -> Connection:
        """Try to connect; a refusal is a result."""
        return await self.charger.knock(self._nursery, door, subprotocols)

    # -- the operator ----------------------------------------------------------------------------------

    async def tag(self, parent: str = "", *, blocked: bool = False, expired: bool = False) -> str:
        """A new id tag that the system knows."""
        id_tag = self.unknown_tag()
        expires_at = datetime.now(UTC) - timedelta(days=1) if expired else None
        await self.central.put_tag(Tag(id_tag, "Blocked" if blocked else "Accepted", parent, expires_at))
        return id_tag

    def unknown_tag(self) -> str:
        """A new id tag that the system does not know."""
        return f"{self.case.id}{self.central.suffix}-{next(self._tags)}"

    async def order(self, action: str, fields: Fields | None = None, /, **answer: Any) -> Fields:
        """The operator sends a command, the charger answers, the system takes note: the payload as it arrived.

        It must arrive as it was ordered, and the answer must be known to the operator afterwards.
        """
        command, command_id = await self.arriving(action, fields or {})
        await self.charger.answer(command, answer)
        await self.processed(action, command_id, answer)
        return command.fields

    async def arriving(self, action: str, fields: Fields) -> tuple[Command, str]:
        """The first half of `order`: what arrived, not answered yet, and the operator's id of the command."""
        payload = _encode(fields)
        try:
            command_id = await self.central.send(self.identity, action, payload)
        except Refused as refused:
            raise CaseFailed(f"{action}.req", "to be sent", f"refused: {refused}") from None
        command = await self._arrival(action, command_id)
        if command.request != self.central.catalogue.check_command(action, payload):
            raise CaseFailed(f"{action}.req", payload.decode(), bytes(command.call.payload).decode())
        return command, command_id

    async def processed(self, action: str, command_id: str, answer: Fields) -> None:
        """The second half of `order`."""
        if not self.central.shows_answers:
            return
        step = f"{action}.conf, as the operator sees it"
        patience = self.timeout if self.central.patience is None else self.central.patience
        try:
            with trio.fail_after(patience):
                outcome = await self.central.outcome_of(command_id, _encode(answer))
        except trio.TooSlowError:
            raise CaseFailed(step, _encode(answer).decode(), f"no outcome within {patience:g} s") from None
        if outcome.state != "answered":
            raise CaseFailed(step, _encode(answer).decode(), f"{outcome.state} {outcome.error}".rstrip())
        if msgspec.json.decode(outcome.result) != answer:
            raise CaseFailed(step, _encode(answer).decode(), outcome.result.decode())

    async def _arrival(self, action: str, command_id: str) -> Command:
        """The command, unless the system knows earlier that it will not come."""
        found: list[Command | CaseFailed | NotApplicable | CsmsdError] = []

        async def watch(scope: trio.CancelScope) -> None:
            try:
                outcome = await self.central.outcome(command_id)
                found.append(CaseFailed(f"{action}.req", "to be sent", f"{outcome.state}: {outcome.error}"))
            except (NotApplicable, CsmsdError) as error:
                found.append(error)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            if self.central.tells_early and self.central.shows_answers:
                nursery.start_soon(watch, nursery.cancel_scope)
            try:
                found.append(await self.charger.command(action))
            except CaseFailed as failed:
                found.append(failed)
            nursery.cancel_scope.cancel()
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    # -- criteria --------------------------------------------------------------------------------------

    def expect(self, step: str, expected: object, got: object) -> None:
        """A pass criterion: equality."""
        if expected != got:
            raise CaseFailed(step, str(expected), str(got))

    def demand(self, step: str, expected: str, got: object, *, holds: bool) -> None:
        """A pass criterion of any kind."""
        if not holds:
            raise CaseFailed(step, expected, str(got))


def at(seconds: float = 0) -> str:
    """A time as on the wire, so many seconds from now."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
