"""Misbehaviour on request: what real chargers do wrong, by name. All of it is off in a station that behaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from csmsd.errors import ConfigError


def _flag(summary: str) -> Any:
    return field(default=False, metadata={"summary": summary})


def _number(usual: float, summary: str) -> Any:
    """Off at 0; without a value on the command line it is `usual`."""
    return field(default=0.0, metadata={"summary": summary, "usual": usual})


@dataclass(frozen=True)
class Quirks:
    """One field for each; `clock_off` is `clock-off` on the command line."""

    # The line
    no_subprotocol: bool = _flag("offers no OCPP subprotocol")
    no_pong: bool = _flag("never answers pings")
    drops_connection_every: float = _number(120, "breaks the connection without a word every so many seconds")
    late_answers: float = _number(90, "answers commands after so many seconds")
    no_answers: bool = _flag("never answers commands")
    repeat_start: bool = _flag("sends each StartTransaction a second time, with the same id")
    new_id_on_retry: bool = _flag("sends StartTransaction again with another id, as if the answer had been lost")
    same_ids: bool = _flag("counts message ids from 1 on each connection")
    numeric_ids: bool = _flag("sends message ids that are JSON numbers")
    null_optionals: bool = _flag("sends null where optional members are absent")
    null_payload: bool = _flag("sends null instead of an empty payload")
    unknown_fields: bool = _flag("adds members that OCPP does not know")
    broken_json: bool = _flag("sends MeterValues with an empty transactionId: no JSON at all")
    # Boot and status
    long_model: bool = _flag("has a model name of 23 characters")
    empty_vendor: bool = _flag("has an empty vendor name")
    no_boot: bool = _flag("skips BootNotification, as many do when they reconnect")
    status_before_boot: bool = _flag("reports status before BootNotification")
    unknown_error: bool = _flag("reports the errorCode Error")
    no_status: bool = _flag("reports no status when transactions begin and end")
    no_heartbeat: bool = _flag("sends no Heartbeat")
    # Time
    clock_off: float = _number(3600, "has a clock that is off by so many seconds, and never sets it")
    no_zone: bool = _flag("sends local time without a zone")
    starts_in_1970: bool = _flag("believes it is 1970 until it has been told the time")
    # Transactions
    minus_one_transaction: bool = _flag("sends transactionId -1 in StopTransaction")
    zero_transaction: bool = _flag("sends transactionId 0 in MeterValues")
    lost_start: bool = _flag("never sends StartTransaction; only the stop arrives")
    lost_stop: bool = _flag("never sends StopTransaction")
    values_after_stop: bool = _flag("sends a closing MeterValues after StopTransaction")
    ignores_remote_start: bool = _flag("accepts RemoteStartTransaction and does nothing")
    needs_connector: bool = _flag("rejects RemoteStartTransaction without a connector")
    other_case: bool = _flag("changes the case of id tags between start and stop")
    no_authorize: bool = _flag("starts without Authorize")
    # Metering
    register_restarts: bool = _flag("reports an energy register that begins at 0 in each session")
    meter_drops_out: bool = _flag("reports a register of 0 now and then")
    kilo_units: bool = _flag("reports kWh and kW")
    unit_hertz: bool = _flag("reports the frequency in Hz")
    no_meter_values: bool = _flag("sends no meter values unless triggered")
    empty_values: bool = _flag("sends values that are empty texts")
    # Configuration
    read_only_keys: bool = _flag("has no key that can be changed")
    no_full_configuration: bool = _flag("leaves GetConfiguration without keys unanswered")
    shows_password: bool = _flag("returns its password in clear in GetConfiguration")
    # Smart charging
    one_stack_level: bool = _flag("takes profiles of stack level 0 only")
    watts_only: bool = _flag("rejects profiles in amperes")
    rejects_zero_limit: bool = _flag("rejects a limit of 0")
    zero_ends: bool = _flag("ends the transaction at a limit of 0")
    ignores_limits: bool = _flag("accepts profiles and does nothing")
    limit_steps: float = _number(6, "rounds limits down to steps of so many amperes")
    # Files
    firmware_status_at_boot: bool = _flag("sends FirmwareStatusNotification after each boot, unasked")
    hasty_reset: bool = _flag("sends StopTransaction at a reset and leaves without waiting for the answer")


NAMES: Mapping[str, dataclasses.Field[Any]] = MappingProxyType(
    {each.name.replace("_", "-"): each for each in dataclasses.fields(Quirks)}
)


def parse_quirks(texts: Iterable[str]) -> Quirks:
    """From `no-pong` and `clock-off=3600`; ConfigError for a name or a value that makes no sense."""
    values: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in NAMES:
            raise ConfigError(f"there is no quirk {name!r}; `csmsd simulate --quirks` lists them")
        quirk = NAMES[name]
        usual = quirk.metadata.get("usual")
        if usual is None:
            if value:
                raise ConfigError(f"the quirk {name} takes no value")
            values[quirk.name] = True
            continue
        try:
            values[quirk.name] = float(value) if value else float(usual)
        except ValueError:
            raise ConfigError(f"the quirk {name} takes a number of seconds or amperes, not {value!r}") from None
    return Quirks(**values)


def lines_of_help() -> list[str]:
    """One line for each quirk."""
    shown = {name: f"{name}=N" if "usual" in quirk.metadata else name for name, quirk in NAMES.items()}
    width = max(map(len, shown.values()))
    return [f"  {shown[name]:<{width}}  {quirk.metadata['summary']}" for name, quirk in NAMES.items()]
