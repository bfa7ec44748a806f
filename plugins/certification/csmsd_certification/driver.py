"""Drivers: how `csmsd certify --url` works the controls of a central system that it has not started.

A driver is a class that an entry point makes known by its name:

[project.entry-points."csmsd.certification_drivers"]
acme = "acme_certification:AcmeDriver"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeGuard, TypeVar

import msgspec

from csmsd.cli.keys import Key, keys_of
from csmsd.cli.values import from_text
from csmsd.errors import Bug, ConfigError, CsmsdError
from csmsd_certification.catalogue import Catalogue
from csmsd_certification.central import CentralSystem, PluginInfo, SystemInfo
from csmsd_certification.credentials import Credentials

GROUP = "csmsd.certification_drivers"
OPTION = "--driver-option"
_NUMBERS_PER_RUN = 1000


class DriverFailed(CsmsdError):
    """A driver cannot do what it was asked: says what happened. The case fails, the others go on."""


class NoOptions(msgspec.Struct, frozen=True):
    """A driver that needs none."""


Options = TypeVar("Options", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Target:
    """What every driver is told."""

    url: str  # where stations connect, without an identity
    tls_url: str  # "": there is none
    credentials: Credentials
    catalogue: Catalogue  # the messages that can be checked
    run: int  # a number that no other run has, seconds since 1970
    timeout: float  # seconds for each step of a case
    data_dir: Path = Path("data")  # as configured: of a csmsd on this machine


class DrivenCentralSystem(CentralSystem, Generic[Options]):
    """Base of drivers: implement the abstract methods of CentralSystem and `begin`, which calls `describe`.

    Texts in the annotations of `options_type` are the help of `--driver-option KEY=VALUE`. Methods may raise
    NotApplicable for what the system cannot do, Refused for what it does not want to send, and DriverFailed.
    """

    options_type: ClassVar[type[msgspec.Struct]] = NoOptions
    keeps_names: ClassVar[bool] = False  # stations and id tags have the same names in every run

    def __init__(self, target: Target, options: Options) -> None:
        super().__init__()
        self.target, self.options = target, options
        self.url, self.tls_url = target.url, target.tls_url
        self.credentials, self.catalogue = target.credentials, target.catalogue
        # The system may remember what former runs have left there.
        self.suffix = "" if self.keeps_names else f"-{_base36(target.run)}"
        self._numbers = count(target.run % 1_000_000 * _NUMBERS_PER_RUN + 1)
        self._offered: frozenset[str] | None = None
        self.info = SystemInfo("the system", "", (), ())

    async def begin(self) -> None:
        """Before the first case: find out what system it is and whether it can be driven; CsmsdError if not."""
        self.describe("central system", "")

    async def end(self) -> None:
        """After the last case, whatever happened: remove what was made, if that is possible. Raises nothing."""

    def describe(
        self,
        name: str,
        version: str,
        *more: tuple[str, str],
        plugins: Iterable[PluginInfo] | None = None,
        offered: Iterable[str] | None = None,
    ) -> None:
        """What the report says of the system; `offered` are OCPP names of its messages, None: all there are."""
        self._offered = None if offered is None else frozenset(offered)
        offered_here = tuple(each for each in self.catalogue.names if self._offered is None or each in self._offered)
        places = (("URL", self.url), ("TLS URL", self.tls_url or "none given"))
        self.info = SystemInfo(
            name, version, (*places, *more), tuple(plugins or (PluginInfo(name, version, offered_here),))
        )

    def lacks(self, names: Iterable[str]) -> list[str]:
        """Those that the system does not offer, or that no plugin here can check."""
        return [name for name in names if name not in self.catalogue or not self._offers(name)]

    def why_lacking(self, names: Iterable[str]) -> str:
        """See CentralSystem."""
        unknown = [name for name in names if name not in self.catalogue]
        if unknown:
            return f"no plugin here knows {', '.join(unknown)}: add the one that does to --plugins"
        return f"{self.info.name} does not offer {', '.join(names)}"

    def _offers(self, name: str) -> bool:
        return self._offered is None or name in self._offered


Driver = type[DrivenCentralSystem[Any]]


def load_driver(name: str) -> Driver:
    """The driver of that name; ConfigError names the nearest one, or what is wrong with it."""
    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in installed:
        near = get_close_matches(name, installed, n=1)
        advice = f"did you mean {near[0]}?" if near else f"installed: {', '.join(sorted(installed)) or 'none'}"
        raise ConfigError(f"--driver: no installed package offers a driver {name}; {advice}")
    try:
        found: object = installed[name].load()
    except Bug as error:
        raise ConfigError(
            f"--driver: {name} of {_package(installed[name])} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not _is_driver(found):
        raise ConfigError(
            f"--driver: {name} of {_package(installed[name])} is no subclass of "
            "csmsd_certification.driver.DrivenCentralSystem"
        )
    return found


def _is_driver(found: object) -> TypeGuard[Driver]:
    return isinstance(found, type) and issubclass(found, DrivenCentralSystem)


def options_for(name: str, driver: Driver, given: Mapping[str, str]) -> msgspec.Struct:
    """The typed options; ConfigError names the option, what it may be, and for an unknown one the nearest."""
    known = {key.name: key for key in keys_of(driver.options_type)}
    values: dict[str, Any] = {}
    for option, text in given.items():
        key = known.get(option)
        if key is None:
            raise ConfigError(f"{OPTION} {option}: {_no_such(name, option, known)}")
        values[option] = from_text(key, text, f"{OPTION} {option}")
    for key in known.values():
        if key.default is msgspec.NODEFAULT and key.name not in values:
            raise ConfigError(f"the driver {name} needs {OPTION} {key.name}=…: {key.help}")
    return driver.options_type(**values)


def _no_such(driver: str, option: str, known: Mapping[str, Key]) -> str:
    near = get_close_matches(option, known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"its options: {', '.join(known) or 'none'}"
    return f"the driver {driver} has no such option; {advice}"


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text
