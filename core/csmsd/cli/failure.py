"""From errors to one sentence and an exit code. Tracebacks are for bugs."""

from __future__ import annotations

import enum
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, Any

import click

from csmsd.client import ApiError, ServerUnreachable
from csmsd.errors import CallTimeout, ConfigError, CsmsdError, PluginError, SchemaMismatch, StationUnavailable


class ExitCode(enum.IntEnum):
    """What scripts may rely on."""

    OK = 0
    REFUSED = 1  # the server or the station said no, or csmsd could not go on
    USAGE = 2  # the command line or the configuration cannot be used
    OFFLINE = 3  # the station is not connected
    TIMEOUT = 4  # the station did not answer in time
    UNREACHABLE = 5  # no csmsd answers


class Failure(click.ClickException):
    """An error for the user: `csmsd: <sentence>` on standard error."""

    def __init__(self, sentence: str, exit_code: int = ExitCode.REFUSED) -> None:
        super().__init__(sentence)
        vars(self)["exit_code"] = exit_code  # click declares it for the class

    def show(self, file: IO[Any] | None = None) -> None:
        """See click."""
        click.secho(f"csmsd: {self.message}", err=file is None, file=file, fg="red")


@contextmanager
def failures_as_sentences() -> Generator[None, None, None]:
    """Turn errors that csmsd raises on purpose into `Failure`, also out of trio's groups; bugs pass."""
    try:
        yield
    except CsmsdError as error:
        raise Failure(str(error), exit_code_of(error)) from error
    except BaseExceptionGroup as group:
        on_purpose, bugs = group.split(CsmsdError)
        if on_purpose is None or bugs is not None:
            raise
        first = first_of(on_purpose)
        raise Failure(str(first), exit_code_of(first)) from group


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code that tells a script what happened."""
    match error:
        case ServerUnreachable():
            return ExitCode.UNREACHABLE
        case StationUnavailable() | ApiError(kind="station-offline" | "station-disconnected"):
            return ExitCode.OFFLINE
        case CallTimeout() | ApiError(kind="call-timeout"):
            return ExitCode.TIMEOUT
        case ConfigError() | PluginError() | SchemaMismatch():
            return ExitCode.USAGE
        case _:
            return ExitCode.REFUSED


def first_of(group: BaseExceptionGroup[CsmsdError]) -> CsmsdError:
    """The first error in a group, however deep."""
    error = group.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
