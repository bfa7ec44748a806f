"""The mirrored lists in the database: one write takes all changes, so that they keep their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from csmsd_core import IdTagInfo
from csmsd_localauth.messages import AuthorizationData
from csmsd_localauth.mirror import Answered, Change, ListState, transition
from csmsd_localauth.tables import entry, local_list

_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(tuple[int, ...]).decode

OF_STATION: sa.BindParameter[str] = sa.bindparam("of_station")
SELECT_STATES = sa.select(local_list)
SELECT_STATE = SELECT_STATES.where(local_list.c.station_id == OF_STATION)
SELECT_ENTRIES = sa.select(entry).where(entry.c.station_id == OF_STATION).order_by(entry.c.id_tag_key)
COUNT_ENTRIES = sa.select(sa.func.count()).select_from(entry).where(entry.c.station_id == OF_STATION)
DELETE_ALL = sa.delete(entry).where(entry.c.station_id == OF_STATION)
DELETE_ONE = DELETE_ALL.where(entry.c.id_tag_key == sa.bindparam("key"))


def _upserts(table: sa.Table) -> Mapping[str, sa.Insert]:
    key = [column.name for column in table.primary_key]
    names = [column.name for column in table.c if not column.primary_key]
    lite, post = sqlite.insert(table), postgresql.insert(table)
    return {
        "sqlite": lite.on_conflict_do_update(index_elements=key, set_={name: lite.excluded[name] for name in names}),
        "postgresql": post.on_conflict_do_update(
            index_elements=key, set_={name: post.excluded[name] for name in names}
        ),
    }


PUT_STATE, PUT_ENTRIES = _upserts(local_list), _upserts(entry)


def write_changes(connection: sa.Connection, rows: Sequence[Change]) -> Sequence[ListState]:
    """Apply changes one after the other; each gets the state after it."""
    return [_apply(connection, row) for row in rows]


def read_states(connection: sa.Connection) -> dict[str, ListState]:
    """All lists, by station."""
    return {row["station_id"]: _state_of(row) for row in connection.execute(SELECT_STATES).mappings()}


def read_entries(connection: sa.Connection, station_id: str) -> dict[str, AuthorizationData]:
    """The mirrored entries of a station, by folded id tag."""
    found = connection.execute(SELECT_ENTRIES, {"of_station": station_id}).mappings()
    return {row["id_tag_key"]: _entry_of(row) for row in found}


def folded(id_tag: str) -> str:
    """Id tags compare case-insensitively (VAL-07)."""
    return id_tag.casefold()


def _apply(connection: sa.Connection, change: Change) -> ListState:
    one = {"of_station": change.station_id}
    found = connection.execute(SELECT_STATE, one).mappings().first()
    known = _state_of(found) if found is not None else ListState(station_id=change.station_id, changed_at=change.at)
    state, effect = transition(known, change)
    if effect == "replace":
        connection.execute(DELETE_ALL, one)
    if effect != "none" and isinstance(change, Answered):
        _put(connection, change.station_id, change.request.local_authorization_list)
    if effect != "none":
        state = msgspec.structs.replace(state, size=connection.execute(COUNT_ENTRIES, one).scalar_one())
    connection.execute(PUT_STATE[connection.dialect.name], _columns(state))
    return state


def _put(connection: sa.Connection, station_id: str, entries: Sequence[AuthorizationData]) -> None:
    gone = [{"of_station": station_id, "key": folded(each.id_tag)} for each in entries if each.id_tag_info is None]
    rows = [_row(station_id, each.id_tag, each.id_tag_info) for each in entries if each.id_tag_info is not None]
    if gone:
        connection.execute(DELETE_ONE, gone)
    if rows:
        connection.execute(PUT_ENTRIES[connection.dialect.name], rows)


def _row(station_id: str, id_tag: str, info: IdTagInfo) -> dict[str, Any]:
    return {
        "station_id": station_id,
        "id_tag_key": folded(id_tag),
        "id_tag": id_tag,
        "status": info.status,
        "expiry_date": info.expiry_date,
        "parent_id_tag": info.parent_id_tag,
    }


def _entry_of(row: Mapping[Any, Any]) -> AuthorizationData:
    expiry: datetime | None = row["expiry_date"]
    return AuthorizationData(row["id_tag"], IdTagInfo(row["status"], expiry, row["parent_id_tag"]))


def _columns(state: ListState) -> dict[str, Any]:
    return {**msgspec.structs.asdict(state), "unanswered": _encode(state.unanswered).decode()}


def _state_of(row: Mapping[Any, Any]) -> ListState:
    fields: dict[str, Any] = {**row, "unanswered": _decode(row["unanswered"])}
    return ListState(**fields)
