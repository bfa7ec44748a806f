"""What users, sessions and links may be refused for; each is one sentence for people and a status for programs."""

from __future__ import annotations

from math import ceil

from csmsd.errors import CsmsdError


class UnknownUser(CsmsdError):
    """No user of that name exists."""


class UserExists(CsmsdError):
    """A user of that name exists already."""


class InvalidUser(CsmsdError):
    """A user cannot be called like that, or the password is too easy to guess."""


class LastAdministrator(CsmsdError):
    """Without this one nobody could administer any more."""


class UnknownToken(CsmsdError):
    """No API token of that id exists."""


class UnknownSession(CsmsdError):
    """No session of that id is open."""


class LoginRefused(CsmsdError):
    """Name or password is wrong, or the user is disabled; nobody is told which."""


class LoginThrottled(CsmsdError):
    """Too many log-ins failed; `seconds` says when to try again."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.whole_seconds = seconds, max(1, ceil(seconds))
        super().__init__(f"too many log-ins have failed: try again in {self.whole_seconds} s")


class LinkRefused(CsmsdError):
    """The one-time link is unknown, used or too old."""
