"""Everything csmsd raises on purpose to those who call it. Messages are written for the operator."""

from __future__ import annotations

from typing import cast

import trio


class CsmsdError(Exception):
    """Base of all of them."""


class ConfigError(CsmsdError):
    """The configuration cannot be used: names the file, the key and the reason."""


class PluginError(CsmsdError):
    """A plugin cannot be used."""


class PluginNotFound(PluginError):
    """No installed package offers a plugin of that name."""


class PluginIncompatible(PluginError):
    """The plugin needs another API version, another plugin or another configuration."""


class PluginConflict(PluginError):
    """Two plugins claim the same name, action, command, hook or tables."""


class SchemaMismatch(CsmsdError):
    """The database's tables are of another version of csmsd or of a plugin than the code."""


class HookMismatch(PluginError):
    """An implementation does not fit its hook: unknown name, arguments or colour."""


class UnknownStation(CsmsdError):
    """No station of that identity is registered."""


class InvalidStation(CsmsdError):
    """A station's record or secret cannot be like that: names the field and the reason."""


class StationUnavailable(CsmsdError):
    """The station is not connected, or left before it answered."""


class CallTimeout(CsmsdError):
    """The station did not answer in time."""


class CallFailed(CsmsdError):
    """The station answered CALLERROR."""

    def __init__(self, station_id: str, action: str, code: str, description: str, details: bytes = b"{}") -> None:
        super().__init__(f"{station_id} answered {action} with {code}: {description or 'no description'}")
        self.code = code
        self.description = description
        self.details = details


class InvalidResponse(CsmsdError):
    """The station's CALLRESULT violates its schema (RPC-36); `raw` is what it sent."""

    def __init__(self, station_id: str, action: str, reason: str, raw: bytes) -> None:
        super().__init__(f"{station_id} answered {action} with something that is not a valid response: {reason}")
        self.raw = raw


class CallRefused(CsmsdError):
    """csmsd or one of its plugins refuses to send this command."""


class UnknownCommand(CsmsdError):
    """No enabled plugin offers a command of that name, or no command of that id was submitted."""


class InvalidPayload(CsmsdError):
    """The payload of a command violates the command's schema; says where and why."""


class CommandConflict(CsmsdError):
    """The command id was used before, for another command or payload."""


class NeverSent(CallRefused):
    """A command was prepared, and then not put on the line: the station cannot know of it."""


class BackendUnavailable(CsmsdError):
    """What a plugin asks elsewhere for its answer is down, or too slow.

    Raise it in a hook: the question gets the answer that the hook names for a failure. The plugin itself is not at
    fault, so however often it happens it is not put aside.
    """


class StoreError(CsmsdError):
    """A write is not known to be durable: whoever asked for it must not be told that it is."""


class WriteFailed(StoreError):
    """This one write is at fault; others are stored."""


class StoreUnavailable(StoreError):
    """Nothing can be stored now; certainly not stored."""


class OutcomeUnknown(StoreError):
    """COMMIT was sent and its answer was lost: stored or not, nobody knows. A retry finds out by its natural key."""


# What a peer, a library or a callback may throw at us and we survive. Plugins may throw anything: see `is_bug`.
Bug = (Exception, SystemExit)


Group = BaseExceptionGroup[BaseException]


def is_bug(error: BaseException) -> bool:
    """Is it the fault of whoever threw it? Not so a cancellation, Ctrl-C and the end of a coroutine, also in groups.

    For calls of code that may throw anything: a class of its own below BaseException or KeyboardInterrupt, for
    instance, or asyncio's CancelledError.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_bug(each) for each in cast("Group", error).exceptions)
    return not isinstance(error, (trio.Cancelled, GeneratorExit)) and type(error) is not KeyboardInterrupt


def fault_in(error: BaseException) -> BaseException:
    """The part of an error that is a bug of whoever threw it; what is none, a cancellation for instance, is raised."""
    if is_bug(error):
        return error
    if isinstance(error, BaseExceptionGroup):
        _, others = cast("Group", error).split(is_bug)
        if others is not None:
            raise others from None
    raise error


def only_one_in(error: BaseException) -> BaseException:
    """What is in a group of one, and so on; an error that is no such group as it is."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("Group", error)
    return only_one_in(group.exceptions[0]) if len(group.exceptions) == 1 else group


def in_words(error: BaseException) -> str:
    """Its type and text; also of one whose text cannot be made, because that is the thrower's code, too."""
    try:
        return f"{type(error).__name__}: {error}".rstrip(": ")
    except BaseException as unspeakable:
        return f"{type(error).__name__}, which cannot be printed: {type(fault_in(unspeakable)).__name__}"
