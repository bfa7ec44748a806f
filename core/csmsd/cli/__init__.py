"""The command line. It is imported only when it is run: programs that embed csmsd do not pay for it."""

from __future__ import annotations


def main() -> None:
    """Run `csmsd`."""
    from csmsd.cli.main import csmsd

    csmsd(prog_name="csmsd")
