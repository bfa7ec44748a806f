"""csmsd without memory: the transport, the session and the validation that `csmsd run` has, and trivial handlers.

What is left is comparable with libraries that only speak the protocol. Arguments: PORT FOLDER
"""

from __future__ import annotations

import gc
import itertools
import signal
import sys
from pathlib import Path

import trio

from csmsd import NoConfig, Plugin, hookimpl
from csmsd.app import open_csms
from csmsd.config import Config, Listen, StoreConfig
from csmsd.host import Host
from csmsd_core import hookspecs, messages
from csmsd_core.actions import ACTIONS

ACCEPTED = messages.IdTagInfo("Accepted")


class TrivialPlugin(Plugin[NoConfig]):
    """Answers what the generator asks, and keeps nothing."""

    name = "trivial"
    specs = (hookspecs,)
    actions = ACTIONS

    def __init__(self, config: NoConfig, host: Host) -> None:
        super().__init__(config, host)
        self._transactions = itertools.count(1)

    @hookimpl
    def boot_notification(self) -> messages.BootNotificationResponse:
        """Always Accepted."""
        return messages.BootNotificationResponse("Accepted", self.host.env.now(), 300)

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
        return messages.StartTransactionResponse(next(self._transactions), ACCEPTED)

    @hookimpl
    def stop_transaction(self) -> messages.StopTransactionResponse:
        """Thank you."""
        return messages.StopTransactionResponse(ACCEPTED)


async def main() -> None:
    port, folder = sys.argv[1:]
    config = Config(
        data_dir=Path(folder),
        listen=Listen(ocpp=f"127.0.0.1:{port}", http=""),
        store=StoreConfig(journal=False),
    )
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with open_csms(config, plugins=[TrivialPlugin]):
            gc.collect()  # as `csmsd run` does
            gc.freeze()
            gc.set_threshold(50_000, 20, 20)
            async for _ in signals:
                break


if __name__ == "__main__":
    trio.run(main)
