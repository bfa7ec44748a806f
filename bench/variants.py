"""csmsd with other handlers than `csmsd run` has; the transport, the session and the validation are the same.

`trivial`: no plugin but one that answers as the peers' handlers do, and no journal. What is left is comparable with
libraries that only speak the protocol. `pooled`: the same with `async def` handlers, each CALL in a task of the pool.
`unstored`: all default plugins and the journal, as `csmsd run`, but StatusNotifications are answered and not stored.

Arguments: VARIANT TRANSPORT PORT FOLDER [CERTIFICATE KEY]
"""

from __future__ import annotations

import gc
import itertools
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import trio

from csmsd import NoConfig, Plugin, hookimpl
from csmsd.app import open_csms
from csmsd.config import Config, Listen, StoreConfig
from csmsd.host import Host
from csmsd_core import hookspecs, messages
from csmsd_core.actions import ACTIONS

ACCEPTED = messages.IdTagInfo("Accepted")


class _Numbering(Plugin[NoConfig]):
    def __init__(self, config: NoConfig, host: Host) -> None:
        super().__init__(config, host)
        self._transactions = itertools.count(1)

    def _boot(self) -> messages.BootNotificationResponse:
        return messages.BootNotificationResponse("Accepted", self.host.env.now(), 300)

    def _start(self) -> messages.StartTransactionResponse:
        return messages.StartTransactionResponse(next(self._transactions), ACCEPTED)


class TrivialPlugin(_Numbering):
    """Answers what the generator asks, and keeps nothing."""

    name = "trivial"
    specs = (hookspecs,)
    actions = ACTIONS

    @hookimpl
    def authorize(self) -> messages.AuthorizeResponse:
        """Everybody may."""
        return messages.AuthorizeResponse(ACCEPTED)

    @hookimpl
    def boot_notification(self) -> messages.BootNotificationResponse:
        """Always Accepted."""
        return self._boot()

    @hookimpl
    def data_transfer(self) -> messages.DataTransferResponse:
        """Always Accepted."""
        return messages.DataTransferResponse("Accepted")

    @hookimpl
    def heartbeat(self) -> messages.HeartbeatResponse:
        """The time."""
        return messages.HeartbeatResponse(self.host.env.now())

    @hookimpl
    def meter_values(self) -> messages.MeterValuesResponse:
        """Thank you."""
        return messages.MeterValuesResponse()

    @hookimpl
    def start_transaction(self) -> messages.StartTransactionResponse:
        """The next number."""
        return self._start()

    @hookimpl
    def status_notification(self) -> messages.StatusNotificationResponse:
        """Thank you."""
        return messages.StatusNotificationResponse()

    @hookimpl
    def stop_transaction(self) -> messages.StopTransactionResponse:
        """Thank you."""
        return messages.StopTransactionResponse(ACCEPTED)


class PooledPlugin(_Numbering):
    """The same, by coroutines."""

    name = "pooled"
    specs = (hookspecs,)
    actions = ACTIONS

    @hookimpl
    async def authorize(self) -> messages.AuthorizeResponse:
        """Everybody may."""
        return messages.AuthorizeResponse(ACCEPTED)

    @hookimpl
    async def boot_notification(self) -> messages.BootNotificationResponse:
        """Always Accepted."""
        return self._boot()

    @hookimpl
    async def data_transfer(self) -> messages.DataTransferResponse:
        """Always Accepted."""
        return messages.DataTransferResponse("Accepted")

    @hookimpl
    async def heartbeat(self) -> messages.HeartbeatResponse:
        """The time."""
        return messages.HeartbeatResponse(self.host.env.now())

    @hookimpl
    async def meter_values(self) -> messages.MeterValuesResponse:
        """Thank you."""
        return messages.MeterValuesResponse()

    @hookimpl
    async def start_transaction(self) -> messages.StartTransactionResponse:
        """The next number."""
        return self._start()

    @hookimpl
    async def status_notification(self) -> messages.StatusNotificationResponse:
        """Thank you."""
        return messages.StatusNotificationResponse()

    @hookimpl
    async def stop_transaction(self) -> messages.StopTransactionResponse:
        """Thank you."""
        return messages.StopTransactionResponse(ACCEPTED)


class UnstoredPlugin(Plugin[NoConfig]):
    """Asked before the Core profile, it answers StatusNotifications."""

    name = "unstored"

    @hookimpl
    def status_notification(self) -> messages.StatusNotificationResponse:
        """Thank you."""
        return messages.StatusNotificationResponse()


def configured(variant: str, transport: Any, port: str, folder: str, *certificate: str) -> Config:
    """As `csmsd run` is started by the comparison, and what the variant changes."""
    address = f"127.0.0.1:{port}"
    http = f"127.0.0.1:{int(port) + 1}" if variant == "unstored" else ""
    listen = Listen(ocpp=address, http=http)
    if certificate:
        chain, key = map(Path, certificate)
        listen = Listen(ocpp="", ocpp_tls=address, http=http, certificate=(chain,), private_key=(key,))
    config = Config(data_dir=Path(folder), transport=transport, listen=listen)
    if variant == "unstored":
        return config
    return msgspec.structs.replace(config, store=StoreConfig(journal=False))


def chosen(variant: str, config: Config) -> Sequence[str | type[Plugin[Any]]]:
    """The variant's plugins."""
    if variant == "unstored":
        return (*config.plugins, UnstoredPlugin)
    return (PooledPlugin if variant == "pooled" else TrivialPlugin,)


async def main() -> None:
    variant, *others = sys.argv[1:]
    config = configured(variant, *others)
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with open_csms(config, plugins=chosen(variant, config)):
            gc.collect()  # as `csmsd run` does
            gc.freeze()
            gc.set_threshold(50_000, 20, 20)
            async for _ in signals:
                break


if __name__ == "__main__":
    trio.run(main)
