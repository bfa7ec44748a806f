"""Values of configuration keys: text on the wire, read tolerantly (CFG-07), checked for warnings only (CFG-06)."""

from __future__ import annotations

from typing import get_args

from csmsd_core.configuration_keys import ROTATIONS, ConfigurationKey
from csmsd_core.messages import Measurand, Phase

MEASURAND_LISTS = frozenset(
    {"MeterValuesAlignedData", "MeterValuesSampledData", "StopTxnAlignedData", "StopTxnSampledData"}
)
MEASURANDS, PHASES = frozenset(get_args(Measurand)), frozenset(get_args(Phase))
HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def as_boolean(text: str | None) -> bool | None:
    """True or False in any case and with blanks around; None for anything else."""
    return {"true": True, "false": False}.get((text or "").strip().lower())


def as_integer(text: str | None) -> int | None:
    """A decimal number with blanks around; None for anything else."""
    try:
        return int((text or "").strip())
    except ValueError:
        return None


def as_list(text: str | None) -> tuple[str, ...]:
    """The items of a comma separated list, without blanks around them and without empty ones."""
    return tuple(item for part in (text or "").split(",") if (item := part.strip()))


def is_measurand(item: str) -> bool:
    """Whether this is a measurand, perhaps with a phase appended: Voltage.L1 (CFG-10)."""
    name, _, phase = item.rpartition(".")
    return item in MEASURANDS or (name in MEASURANDS and phase in PHASES)


def value_warning(key: ConfigurationKey, value: str) -> str | None:
    """One sentence if the value does not fit the key."""
    if key.name == "AuthorizationKey":
        return None if _is_key_of_the_white_paper(value) else f"{key.name} should be 32 to 40 hexadecimal digits"
    if key.type == "boolean" and as_boolean(value) is None:
        return f"{key.name} is true or false"
    if key.type == "integer":
        return _integer_warning(key, value)
    if key.type == "list":
        return _list_warning(key, value)
    return None


def _is_key_of_the_white_paper(value: str) -> bool:
    return 32 <= len(value) <= 40 and len(value) % 2 == 0 and HEX_DIGITS.issuperset(value)


def _integer_warning(key: ConfigurationKey, value: str) -> str | None:
    number = as_integer(value)
    if number is None:
        return f"{key.name} is a whole number"
    if key.low is not None and number < key.low:
        return f"{key.name} is {key.low} at least"
    if key.high is not None and number > key.high:
        return f"{key.name} is {key.high} at most"
    return None


def _list_warning(key: ConfigurationKey, value: str) -> str | None:
    unknown = [item for item in as_list(value) if not _is_item(key, item)]
    if not unknown:
        return None
    finding = f"{key.name} does not know {', '.join(unknown)}"
    return f"{finding}; a station refuses the list as a whole" if key.name in MEASURAND_LISTS else finding


def _is_item(key: ConfigurationKey, item: str) -> bool:
    if key.name in MEASURAND_LISTS:
        return is_measurand(item)
    if key.name == "ConnectorPhaseRotation":
        connector, _, rotation = item.partition(".")
        return connector.isdecimal() and rotation in ROTATIONS
    return not key.items or item in key.items
