"""The contract between a plugin and csmsd, as checks: what csmsd relies on, and what no type checker sees.

    assert_plugin_ok(AcmePlugin)                      # in a plain test
    pytest --csmsd-plugin acme                        # each check as a test of its own

A check runs the plugin in a csmsd of its own, in virtual time, with stations that do what stations do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from csmsd.errors import CsmsdError
from csmsd.plugin import Plugin
from csmsd.testing.contract import declared, running, stored, told_twice
from csmsd.testing.contract.subject import Subject, subject_of
from csmsd.testing.contract.world import reason_of

Check = Callable[[Subject], Iterator[str]]

CHECKS: Mapping[str, Check] = {
    "declaration": declared.check_declaration,
    "configuration": declared.check_configuration,
    "colours": declared.check_colours,
    "tables": stored.check_tables,
    "migrations": stored.check_migrations,
    "starts_and_stops": running.check_start_stop_start,
    "leaks": running.check_leaks,
    "cancellation": running.check_cancellation,
    "redelivery": told_twice.check_redelivery,
    "blocking": running.check_blocking,
}
"""Every check by its name, in the order in which they make sense."""


class Finding(msgspec.Struct, frozen=True):
    """Something about a plugin that csmsd cannot live with: one sentence, which names the plugin and what to do."""

    check: str  # a key of CHECKS
    sentence: str

    def __str__(self) -> str:
        return f"{self.check}: {self.sentence}"


def check_plugin(
    plugin: type[Plugin[Any]], *, config: Mapping[str, Any] | None = None, postgres: str = ""
) -> tuple[Finding, ...]:
    """Everything that is wrong with a plugin; () if csmsd can live with it.

    `config` is its table of the configuration, if it cannot do without. `postgres` is the URL of a PostgreSQL server
    on which databases may be made: then its migrations are tried there, too. Not for async tests: it runs trio itself.
    """
    subject = subject_of(plugin, config=config, postgres=postgres)
    return tuple(finding for name in CHECKS for finding in run_check(name, subject))


def assert_plugin_ok(plugin: type[Plugin[Any]], *, config: Mapping[str, Any] | None = None, postgres: str = "") -> None:
    """AssertionError with a line for each finding of `check_plugin`."""
    findings = check_plugin(plugin, config=config, postgres=postgres)
    if findings:
        raise AssertionError("\n".join(map(str, findings)))


def run_check(name: str, subject: Subject) -> tuple[Finding, ...]:
    """The findings of one check; a plugin with which csmsd does not even start is a finding of each that needs it."""
    try:
        sentences = list(CHECKS[name](subject))
    except (CsmsdError, ExceptionGroup) as error:
        sentences = [f"{subject.name}: {name} cannot be checked: {reason_of(error)}"]
    return tuple(Finding(name, sentence) for sentence in dict.fromkeys(sentences))
