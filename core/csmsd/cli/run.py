"""`csmsd run`: the daemon. It says where to point a charger, serves until a signal comes, and sends stations away."""

from __future__ import annotations

import gc
import logging
import signal
from collections.abc import AsyncIterable, Sequence

import click
import msgspec
import trio

from csmsd._kernel.house import House
from csmsd.app import open_csms
from csmsd.cli import greeting
from csmsd.cli.failure import failures_as_sentences
from csmsd.cli.logs import set_up_logging
from csmsd.cli.options import SettingsCommand, takes_settings
from csmsd.cli.settings import Settings, check_plugins
from csmsd.config import Config
from csmsd.errors import ConfigError
from csmsd.hookspecs import greet
from csmsd.host import Host

log = logging.getLogger("csmsd")

_COLLECTOR = (50_000, 20, 20)  # measured: twice the throughput with thousands of connections


@click.command(cls=SettingsCommand)
@click.option(
    "--open",
    "is_open",
    is_flag=True,
    help="Trial mode for a first charger on the desk: all interfaces, unencrypted, unknown stations are registered.",
)
@takes_settings(all_shown=True)
def run(settings: Settings, is_open: bool) -> None:
    """Start the server.

    It stops on SIGTERM and SIGINT (Ctrl-C): stations are answered and sent away first; a second signal ends it at once.
    """
    config = opened_up(settings) if is_open else settings.config
    set_up_logging(config)
    check_plugins(settings)
    with failures_as_sentences():
        trio.run(serve, config)


def opened_up(settings: Settings) -> Config:
    """The configuration in trial mode: what nobody has set otherwise on the command line is open."""
    config = settings.config

    def is_given(name: str) -> bool:
        return settings.origins.get(name, "").startswith("--")

    listen, access = config.listen, config.access
    if not is_given("listen.ocpp"):
        port = listen.ocpp.rpartition(":")[2] or "9000"
        listen = msgspec.structs.replace(listen, ocpp=f":{port}")
    if not is_given("access.authentication"):
        access = msgspec.structs.replace(access, authentication="optional")
    if not is_given("access.unknown_stations"):
        access = msgspec.structs.replace(access, unknown_stations="register")
    return msgspec.structs.replace(config, listen=msgspec.structs.replace(listen, allow_plain=True), access=access)


async def serve(config: Config) -> None:
    """Serve until SIGINT or SIGTERM."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with trio.open_signal_receiver(*signals) as received:
        async with trio.open_nursery() as nursery:
            running: list[Host] = []  # nobody until everything has started
            nursery.start_soon(obey, received, running, nursery.cancel_scope)
            async with open_csms(config) as csms:
                running.append(csms)
                _settle_memory()
                _greet(config, csms)
                await trio.sleep_forever()
    log.info("csmsd has stopped")


async def obey(signals: AsyncIterable[int], running: Sequence[Host], scope: trio.CancelScope) -> None:
    """Cancel `scope` at the first SIGINT or SIGTERM; a second one is not ours any more."""
    async for number in signals:
        name = signal.Signals(number).name
        if number == signal.SIGHUP:
            _reload_certificates(running)
            continue
        log.info("%s: stations are sent away; the same again ends csmsd at once", name)
        # The second one is the operating system's business: it ends us even if we hang. What stations were answered is
        # on disk by then.
        for fatal in (signal.SIGINT, signal.SIGTERM):
            signal.signal(fatal, signal.SIG_DFL)
        scope.cancel()
        return


def _reload_certificates(running: Sequence[Host]) -> None:
    for csms in running:
        try:
            if isinstance(csms, House):
                csms.reload_certificates()
        except ConfigError as error:
            log.error("SIGHUP: the certificates stay as they are: %s", error)  # noqa: TRY400 - a sentence, no traceback
        else:
            log.info("SIGHUP: certificates are read again; every other setting needs a restart")


def _settle_memory() -> None:
    """What was built at start stays: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTOR)


def _greet(config: Config, csms: Host) -> None:
    for warning in greeting.warnings(config):
        log.warning(warning)
    more = [pair for some in csms.hooks.call_plain(greet) for pair in some]
    click.echo(greeting.text(config, csms.ocpp_urls, more))
