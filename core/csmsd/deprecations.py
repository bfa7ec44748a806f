"""Hooks that have got another name or shape: plugins that are written for the former one go on working for a while.

What stays for how long is said in docs/compatibility.md. Everything that is deprecated in the kernel is in here.
"""

from __future__ import annotations

from collections.abc import Iterable

from csmsd.hookspecs import Former, hookspec, report_client_roots


class CsmsdDeprecation(DeprecationWarning):
    """A plugin uses what will be gone; the message says what to write instead."""


@hookspec(
    colour="plain",
    former=Former(
        report_client_roots,
        since="0.2",
        until="0.4",
        write="name the method report_client_roots; it takes no arguments and answers the same",
    ),
)
def client_roots() -> Iterable[str]:
    """The name of `report_client_roots` before collections were called report_*."""
    raise AssertionError
