"""Commands that operators submit: stored under their id before they are sent; none is done twice or forgotten."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
import trio

from csmsd._kernel.storage.tables import command as table
from csmsd.command import AnyCommand
from csmsd.env import Env
from csmsd.errors import (
    Bug,
    CallFailed,
    CallRefused,
    CallTimeout,
    CommandConflict,
    InvalidResponse,
    StationUnavailable,
    StoreError,
    UnknownCommand,
)
from csmsd.host import Audit, CommandRecord, Commands, CommandState
from csmsd.ocpp.encoding import encode_payload
from csmsd.station import Station, Stations
from csmsd.store import Store

log = logging.getLogger("csmsd.commands")

_ADD = sa.insert(table)
_KNOWN = sa.select(table).where(table.c.id.in_(sa.bindparam("ids", expanding=True)))
_FIND = sa.select(table).where(table.c.id == sa.bindparam("id"))
_RECENT = sa.select(table).order_by(table.c.submitted_at.desc()).limit(sa.bindparam("limit"))
_RECENT_OF = _RECENT.where(table.c.station_id == sa.bindparam("station"))
_FINISH = (
    sa.update(table)
    .where(table.c.id == sa.bindparam("b_id"))
    .values({name: sa.bindparam(f"b_{name}") for name in ("state", "finished_at", "result", "error_code", "error")})
)
_FORGET_UNFINISHED = (
    sa.update(table)
    .where(table.c.finished_at.is_(None))
    .values(state="unknown", finished_at=sa.bindparam("now"), error="csmsd stopped before the station had answered")
)


class _Submission(msgspec.Struct, frozen=True):
    record: CommandRecord
    fingerprint: str


class _Finish(msgspec.Struct, frozen=True):
    id: str
    state: CommandState
    at: datetime
    result: str | None = None
    error_code: str = ""
    error: str = ""


def add_commands(connection: sa.Connection, rows: Sequence[_Submission]) -> Sequence[_Submission | None]:
    """Write: new commands; for an id that is known already, what was submitted under it first."""
    ids = sorted({row.record.id for row in rows})
    known = {found.record.id: found for found in map(_submission, connection.execute(_KNOWN, {"ids": ids}).mappings())}
    results: list[_Submission | None] = []
    new: list[dict[str, Any]] = []
    for row in rows:
        first = known.get(row.record.id)
        results.append(first)
        if first is None:
            known[row.record.id] = row
            new.append(_row(row))
    if new:
        connection.execute(_ADD, new)
    return results


def finish_commands(connection: sa.Connection, rows: Sequence[_Finish]) -> Sequence[None]:
    """Write: what became of commands."""
    connection.execute(
        _FINISH,
        [
            {
                "b_id": row.id,
                "b_state": row.state,
                "b_finished_at": row.at,
                "b_result": row.result,
                "b_error_code": row.error_code,
                "b_error": row.error,
            }
            for row in rows
        ],
    )
    return [None] * len(rows)


def close_unfinished(connection: sa.Connection, rows: Sequence[datetime]) -> Sequence[None]:
    """Write: commands of an earlier csmsd that never heard of an answer (none is sent again, RPC-25)."""
    connection.execute(_FORGET_UNFINISHED, {"now": rows[-1]})
    return [None] * len(rows)


def _row(submission: _Submission) -> dict[str, Any]:
    record = submission.record
    return {
        "id": record.id,
        "station_id": record.station_id,
        "action": record.action,
        "request": bytes(record.request).decode(),
        "fingerprint": submission.fingerprint,
        "state": record.state,
        "actor": record.actor,
        "submitted_at": record.submitted_at,
        "error_code": "",
        "error": "",
    }


def _submission(row: sa.RowMapping) -> _Submission:
    fields = dict(row)
    fingerprint = fields.pop("fingerprint")
    result = fields.pop("result")
    fields["request"] = msgspec.Raw(fields["request"].encode())
    return _Submission(
        CommandRecord(**fields, result=None if result is None else msgspec.Raw(result.encode())), fingerprint
    )


class CommandDesk(Commands):
    """Takes commands, runs each in a task of its own, and knows what became of them."""

    def __init__(
        self,
        store: Store,
        stations: Stations,
        env: Env,
        nursery: trio.Nursery,
        known: Callable[[], Mapping[str, AnyCommand]],
        offering: Callable[[str], str | None],
        audit: Audit,
    ) -> None:
        self._store, self._stations, self._env, self._nursery, self._known = store, stations, env, nursery, known
        self._offering = offering  # the plugin that would offer a command, were it enabled
        self._audit = audit
        self._running: dict[str, trio.Event] = {}
        self._storing: Counter[str] = Counter()  # submissions on their way to the database

    async def open(self) -> None:
        """Settle what an earlier csmsd left behind."""
        await self._store.submit(close_unfinished, self._env.now())

    @property
    def known(self) -> Mapping[str, AnyCommand]:
        """See Commands."""
        return self._known()

    def get(self, action: str) -> AnyCommand:
        """See Commands."""
        command = self.known.get(action)
        if command is None:
            plugin = self._offering(action)
            advice = f": enable the plugin {plugin}" if plugin else ""
            raise UnknownCommand(f"no enabled plugin offers a command {action}{advice}")
        return command

    async def submit(
        self, station_id: str, action: str, payload: bytes, *, actor: str, command_id: str | None = None
    ) -> CommandRecord:
        """See Commands."""
        command = self.get(action)
        self._stations.record(station_id)
        request, _ = command.decode(payload or b"{}")
        shown = msgspec.Raw(command.redact_request(encode_payload(request)))
        fingerprint = _fingerprint(station_id, action, bytes(shown))
        new_id = command_id or self._env.new_id()
        record = CommandRecord(new_id, station_id, action, shown, "queued", self._env.now(), actor)
        first = await self._find_submission(new_id) if command_id is not None else None
        if first is None:
            station = self._stations.get(station_id)  # nothing is stored for a station that is not there

            def begin(first: _Submission | None) -> _Submission | None:
                """In the moment of the COMMIT, also if the submitter has gone, and before any repeat is told of it."""
                if first is None:
                    self._running[new_id] = ended = trio.Event()
                    told = {"id": new_id, "action": action, "request": shown}
                    self._audit.record(actor, "command.submit", station_id, None, told)
                    self._nursery.start_soon(self._run, record, station, command, request, ended)
                return first

            def settled(_first: _Submission | None, _error: BaseException | None) -> None:
                self._storing[new_id] -= 1

            self._storing[new_id] += 1
            stored = self._store.submit(add_commands, _Submission(record, fingerprint)).then(begin)
            stored.when_settled(settled)
            first = await stored
            if first is None:
                return record
        if first.fingerprint != fingerprint:
            raise CommandConflict(f"the id {new_id} was used before, for another station, command or payload")
        return await self._alive(first.record)

    async def _alive(self, record: CommandRecord) -> CommandRecord:
        """A record as it is; one whose COMMIT was given up, and then came true, was never sent and says so."""
        self._storing += Counter()  # without those at zero
        if record.finished_at is not None or record.id in self._running or record.id in self._storing:
            return record
        reason = "storing it was given up, so it was not sent: submit it anew, under another id"
        await self._store.submit(finish_commands, _Finish(record.id, "refused", self._env.now(), error=reason))
        return await self.find(record.id) or record

    async def outcome(self, command_id: str) -> CommandRecord:
        """See Commands."""
        ended = self._running.get(command_id)
        if ended is not None:
            await ended.wait()
        record = await self.find(command_id)
        if record is None:
            raise UnknownCommand(f"no command was submitted under the id {command_id}")
        return record

    async def find(self, command_id: str) -> CommandRecord | None:
        """See Commands."""
        submission = await self._find_submission(command_id)
        return None if submission is None else submission.record

    async def recent(self, station_id: str | None = None, limit: int = 100) -> Sequence[CommandRecord]:
        """See Commands."""

        def read(connection: sa.Connection) -> list[CommandRecord]:
            statement = _RECENT if station_id is None else _RECENT_OF
            rows = connection.execute(
                statement, {"limit": limit, "station": station_id} if station_id else {"limit": limit}
            )
            return [_submission(row).record for row in rows.mappings()]

        return await self._store.read(read)

    # -- inside ----------------------------------------------------------------------------------

    async def _find_submission(self, command_id: str) -> _Submission | None:
        def read(connection: sa.Connection) -> _Submission | None:
            row = connection.execute(_FIND, {"id": command_id}).mappings().one_or_none()
            return None if row is None else _submission(row)

        return await self._store.read(read)

    async def _run(
        self, record: CommandRecord, station: Station, command: AnyCommand, request: Any, ended: trio.Event
    ) -> None:
        try:
            finish = await self._call(record.id, station, command, request)
            told = {"id": record.id, "action": record.action, "state": finish.state, "error": finish.error}
            self._audit.record(record.actor, "command.end", station.id, None, told)
            try:
                await self._store.submit(finish_commands, finish)
            except StoreError as error:
                about = {"station": station.id, "action": command.name}
                log.error("%s: the outcome of %s is not stored yet: %s", station.id, command.name, error, extra=about)  # noqa: TRY400
                self._store.submit_later(finish_commands, finish)  # it is kept over an outage
        finally:
            del self._running[record.id]
            ended.set()

    async def _call(self, command_id: str, station: Station, command: AnyCommand, request: Any) -> _Finish:
        def finish(state: CommandState, error: object, code: str = "", shown: bytes | None = None) -> _Finish:
            result = None if shown is None else command.redact_response(shown).decode()
            return _Finish(command_id, state, self._env.now(), result, code, str(error))

        try:
            response = await station.call(command, request)
        except CallFailed as error:
            return finish("failed", error.description, error.code, bytes(error.details))
        except InvalidResponse as error:
            return finish("failed", error, "invalid response", bytes(error.raw))
        except CallTimeout as error:
            return finish("timeout", error)
        except StationUnavailable as error:
            return finish("disconnected", error)
        except CallRefused as error:
            return finish("refused", error)
        except Bug as error:
            about = {"station": station.id, "action": command.name}
            log.exception("%s: %s went wrong", station.id, command.name, extra=about)
            return finish("unknown", f"csmsd failed: {type(error).__name__}")
        result = command.redact_response(encode_payload(response)).decode()
        return _Finish(command_id, "answered", self._env.now(), result=result)


def _fingerprint(station_id: str, action: str, shown: bytes) -> str:
    """Tells submissions apart, of what may be shown only: a digest of a secret could be guessed from."""
    return hashlib.blake2b(b"\0".join((station_id.encode(), action.encode(), shown)), digest_size=16).hexdigest()
