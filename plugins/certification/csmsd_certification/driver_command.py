"""The driver `command`: a program of the tester's, started once for each order, JSON in and JSON out.

The shapes are in the README of this plugin.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from typing import Annotated, Any

import msgspec
import trio
from msgspec import Meta

from csmsd.errors import ConfigError
from csmsd_certification.central import NotApplicable, Outcome, Refused
from csmsd_certification.driver import OPTION, DrivenCentralSystem, DriverFailed, Target
from csmsd_core import Tag

_POLL = 0.5  # seconds until a pending command is asked for again
_MOST = 1_048_576  # bytes of an answer
_SHOWN = 200  # characters of nonsense in a message


class CommandOptions(msgspec.Struct, frozen=True):
    """Which program."""

    program: Annotated[str, "The program and its arguments, as in a shell."]
    timeout: Annotated[float, Meta(gt=0, le=600), "Seconds for one order."] = 10.0


class Answer(msgspec.Struct, frozen=True):
    """What the program prints: one JSON object; what an order has no use for is passed over."""

    error: str = ""  # the order could not be done; beside a state: why there is no answer
    not_applicable: str = ""  # the system cannot do that at all
    refused: str = ""  # send: the system does not send this command
    id: str = ""  # send: by which outcome asks for it
    state: str = ""  # outcome: pending, answered, or a word for what went wrong
    result: dict[str, Any] = {}  # outcome: the station's answer
    name: str = "central system"  # begin
    version: str = ""
    configuration: dict[str, str] = {}
    lacks: tuple[str, ...] = ()
    outcomes: bool = True


class CommandDriver(DrivenCentralSystem[CommandOptions]):
    """Any central system, by a little script."""

    options_type = CommandOptions
    tells_early = False

    def __init__(self, target: Target, options: CommandOptions) -> None:
        super().__init__(target, options)
        self._command = _split(options.program)
        self._sent: dict[str, tuple[str, str]] = {}  # identity and action, by the command's id
        self._stations: list[str] = []
        self._tags: list[str] = []

    async def begin(self) -> None:
        """See DrivenCentralSystem."""
        if shutil.which(self._command[0]) is None:
            raise ConfigError(f"{OPTION} program: {self._command[0]} cannot be found, or cannot be executed")
        answer = await self._order("begin", url=self.url, tls_url=self.tls_url)
        self.shows_answers = answer.outcomes
        more = dict(answer.configuration) | {"Driver": f"command, {self.options.program}"}
        if not answer.outcomes:
            more["Stations' answers"] = "not visible to the driver, so not compared"
        offered = set(self.catalogue.names) - set(answer.lacks)
        self.describe(answer.name, answer.version, *more.items(), offered=offered)

    async def end(self) -> None:
        """Tell what was made, so that it can be removed."""
        try:
            await self._order("end", stations=self._stations, tags=self._tags)
        except (DriverFailed, NotApplicable):  # the report is about something else
            return

    async def put_station(self, identity: str, password: str | None, security_profile: int) -> None:
        """See CentralSystem."""
        self._stations.append(identity)
        await self._order("put_station", identity=identity, password=password, security_profile=security_profile)

    async def put_tag(self, tag: Tag) -> None:
        """See CentralSystem."""
        self._tags.append(tag.id_tag)
        await self._order(
            "put_tag",
            id_tag=tag.id_tag,
            status=tag.status,
            parent_id_tag=tag.parent_id_tag or None,
            expires_at=tag.expires_at,
        )

    async def raise_profile(self, identity: str, security_profile: int) -> None:
        """See CentralSystem."""
        await self._order("raise_profile", identity=identity, security_profile=security_profile)

    async def send(self, identity: str, action: str, payload: bytes) -> str:
        """See CentralSystem."""
        answer = await self._order("send", identity=identity, action=action, payload=msgspec.Raw(payload))
        if answer.refused:
            raise Refused(answer.refused)
        if not answer.id and self.shows_answers:
            raise DriverFailed(f"{self._command[0]} answered the order send without an id")
        self._sent[answer.id] = (identity, action)
        return answer.id

    async def outcome(self, command_id: str) -> Outcome:
        """See CentralSystem."""
        identity, action = self._sent[command_id]
        while True:
            answer = await self._order("outcome", id=command_id, identity=identity, action=action)
            if not answer.state:
                raise DriverFailed(f"{self._command[0]} answered the order outcome without a state")
            if answer.state != "pending":
                return Outcome(answer.state, msgspec.json.encode(answer.result), answer.error)
            await trio.sleep(_POLL)

    async def _order(self, order: str, **details: Any) -> Answer:
        text = await self._run(order, msgspec.json.encode({"order": order, **details}))
        try:
            answer = msgspec.json.decode(text, type=Answer)
        except msgspec.MsgspecError as error:
            shown = text.decode(errors="replace").strip()[:_SHOWN] or "nothing"
            raise DriverFailed(
                f"{self._command[0]} answered the order {order} with something else than the JSON expected "
                f"({error}): {shown}"
            ) from None
        if answer.not_applicable:
            raise NotApplicable(answer.not_applicable)
        if answer.error and not answer.state:
            raise DriverFailed(f"{order}: {answer.error}")
        return answer

    async def _run(self, order: str, question: bytes) -> bytes:
        """What the program prints; DriverFailed if it cannot be started, fails, or is not done in time."""
        heard = _Heard()
        try:
            with trio.fail_after(self.options.timeout):
                await self._talk(question, heard)
        except trio.TooSlowError:
            raise DriverFailed(
                f"{self._command[0]} was not done with the order {order} after {self.options.timeout:g} s, "
                "and was ended"
            ) from None
        except OSError as error:
            raise DriverFailed(f"{self._command[0]} cannot be started: {error.strerror}") from None
        if max(len(heard.output), len(heard.errors)) > _MOST:
            raise DriverFailed(f"{self._command[0]} printed more than {_MOST} bytes for the order {order}")
        if heard.code:
            complaint = heard.errors.decode(errors="replace").strip().rpartition("\n")[2][:_SHOWN]
            said = f": {complaint}" if complaint else ""
            raise DriverFailed(f"{self._command[0]} failed at the order {order} with exit code {heard.code}{said}")
        return bytes(heard.output)

    async def _talk(self, question: bytes, heard: _Heard) -> None:
        process = await trio.lowlevel.open_process(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_write, process.stdin, question)
                nursery.start_soon(_read, process.stdout, heard.output, nursery.cancel_scope)
                nursery.start_soon(_read, process.stderr, heard.errors, nursery.cancel_scope)
                heard.code = await process.wait()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)  # with what it has started: it has a session of its own
                with trio.CancelScope(shield=True):
                    await process.wait()


class _Heard:
    """From one run of the program."""

    def __init__(self) -> None:
        self.output, self.errors, self.code = bytearray(), bytearray(), 0


def _split(program: str) -> list[str]:
    try:
        words = shlex.split(program)
    except ValueError as error:
        raise ConfigError(f"{OPTION} program: {program}: {error}") from None
    if not words:
        raise ConfigError(f"{OPTION} program: name a program")
    return words


async def _write(stream: trio.abc.SendStream | None, question: bytes) -> None:
    if stream is None:
        return
    async with stream:
        try:
            await stream.send_all(question)
        except trio.BrokenResourceError:  # it does not want to know
            return


async def _read(stream: trio.abc.ReceiveStream | None, into: bytearray, scope: trio.CancelScope) -> None:
    if stream is None:
        return
    async with stream:
        while part := await stream.receive_some():
            into += part
            if len(into) > _MOST:
                scope.cancel()
