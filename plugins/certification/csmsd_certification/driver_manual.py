"""The driver `manual`: the tester works the system's controls, asked for it in the terminal."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from itertools import count
from typing import Annotated, Protocol

import click
import msgspec
import trio

from csmsd_certification.central import NotApplicable, Outcome, Refused
from csmsd_certification.driver import DrivenCentralSystem, DriverFailed, Target
from csmsd_core import Tag

_STANDARD_INPUT = 0
_PROFILES = {
    1: "1 (HTTP Basic, no TLS)",
    2: "2 (HTTP Basic, TLS)",
    3: "3 (TLS with a certificate of its own)",
}


class ManualOptions(msgspec.Struct, frozen=True):
    """What the report says of the system."""

    name: Annotated[str, "What the system is called."] = "central system"
    version: Annotated[str, "Its version."] = ""
    lacks: Annotated[tuple[str, ...], "Messages that it does not offer: ReserveNow,CancelReservation"] = ()


class Terminal(Protocol):
    """Where the tester is."""

    def show(self, text: str) -> None:
        """A line, or several."""
        ...

    def ask(self, prompt: str) -> str:
        """A line that the tester types, which may be empty; EOFError if nobody is there. Called in a thread."""
        ...


class StandardTerminal:
    """Standard error and standard input."""

    def show(self, text: str) -> None:
        """See Terminal."""
        click.echo(text, err=True)

    def ask(self, prompt: str) -> str:
        """See Terminal."""
        click.echo(prompt, err=True, nl=False)
        line = bytearray()
        while not line.endswith(b"\n"):
            # Not sys.stdin: who waits in there holds a lock that Python needs to end after a Ctrl-C.
            part = os.read(_STANDARD_INPUT, 1)
            if not part:
                raise EOFError
            line += part
        return line.decode(errors="replace").strip()


class ManualDriver(DrivenCentralSystem[ManualOptions]):
    """One case at a time; the names stay the same in every run, so that stations can be made known beforehand."""

    options_type = ManualOptions
    keeps_names = True
    most_at_once = 1
    tells_early = False
    patience = math.inf  # people take their time

    def __init__(self, target: Target, options: ManualOptions, terminal: Terminal | None = None) -> None:
        super().__init__(target, options)
        self._terminal: Terminal = terminal or StandardTerminal()
        self._commands = count(1)
        self._sent: dict[str, tuple[str, str]] = {}  # identity and action

    async def begin(self) -> None:
        """See DrivenCentralSystem."""
        offered = set(self.catalogue.names) - set(self.options.lacks)
        self.describe(
            self.options.name, self.options.version, ("Driver", "manual: the tester is the operator"), offered=offered
        )
        self._terminal.show(
            "You are the operator: do in the central system what is said here, then press Enter.\n"
            "n means that the system cannot do it: the case is not applicable then."
        )

    async def put_station(self, identity: str, password: str | None, security_profile: int) -> None:
        """See CentralSystem."""
        url = self.url if security_profile == self.lowest_profile else self.tls_url
        secret = f"password {password}" if password is not None else "no password"
        await self._have_done(
            f"Make the station {identity} known: {secret}, security profile {_PROFILES[security_profile]}.\n"
            f"It will connect to {url.rstrip('/')}/{identity}"
        )

    async def put_tag(self, tag: Tag) -> None:
        """See CentralSystem."""
        more = [f"parent {tag.parent_id_tag}"] if tag.parent_id_tag else []
        more += [f"expired since {tag.expires_at:%Y-%m-%d %H:%M} UTC"] if tag.expires_at else []
        await self._have_done(f"Make the id tag {tag.id_tag} known: {', '.join([tag.status, *more])}.")

    async def raise_profile(self, identity: str, security_profile: int) -> None:
        """See CentralSystem."""
        await self._have_done(
            f"Let the station {identity} come back with security profile {_PROFILES[security_profile]}, if the system "
            "wants to be told. Its password stays."
        )

    async def send(self, identity: str, action: str, payload: bytes) -> str:
        """See CentralSystem."""
        shown = msgspec.json.format(payload, indent=2).decode()
        said = await self._have_done(f"Send {action} to {identity}, exactly:\n{shown}", "r = the system refuses")
        if said == "r":
            raise Refused(await self._ask("What does it say? > ") or "the tester says so")
        command_id = str(next(self._commands))
        self._sent[command_id] = (identity, action)
        return command_id

    async def outcome(self, command_id: str) -> Outcome:
        """See CentralSystem."""
        identity, action = self._sent[command_id]
        return _outcome_of(await self._ask(f"What does the system show as {identity}'s answer to {action}? > "))

    async def outcome_of(self, command_id: str, answer: bytes) -> Outcome:
        """See CentralSystem."""
        identity, action = self._sent[command_id]
        self._terminal.show(f"\n{identity} has answered {action}: {answer.decode()}")
        said = await self._ask("Does the system show that? [Enter = yes, else what it shows: a status or JSON] > ")
        return Outcome("answered", answer) if said.lower() in ("", "y", "yes") else _outcome_of(said)

    async def _have_done(self, text: str, *choices: str) -> str:
        self._terminal.show(f"\n{text}")
        keys = {"", "n", *(choice[0] for choice in choices)}
        prompt = f"[{', '.join(('Enter = done', *choices, 'n = not possible'))}] > "
        while (said := (await self._ask(prompt)).lower()) not in keys:
            pass
        if said == "n":
            reason = await self._ask("Why not? It will stand in the report. > ")
            raise NotApplicable(reason or "the tester says that it is not possible")
        return said

    async def _ask(self, prompt: str) -> str:
        ask: Callable[[str], str] = self._terminal.ask
        try:
            return await trio.to_thread.run_sync(ask, prompt, abandon_on_cancel=True)
        except EOFError:
            raise DriverFailed("nobody is at the terminal any more: standard input has ended") from None


def _outcome_of(said: str) -> Outcome:
    """JSON as it is; a word is the status."""
    try:
        msgspec.json.decode(said, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return Outcome("answered", msgspec.json.encode({"status": said}))
    return Outcome("answered", said.encode())
