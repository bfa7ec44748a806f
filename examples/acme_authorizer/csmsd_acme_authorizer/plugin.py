"""The plugin: asks over HTTP, in a task of csmsd's; csmsd gives one plugin half of its tasks at most."""

from __future__ import annotations

from typing import ClassVar

import httpx
import trio

from csmsd import BackendUnavailable, Host, Plugin, Station, hookimpl
from csmsd_acme_authorizer.config import AcmeAuthorizerConfig
from csmsd_core import IdTagInfo


class AcmeAuthorizerPlugin(Plugin[AcmeAuthorizerConfig]):
    """Asks ACME's customer service which of ACME's tags may charge."""

    name = "acme_authorizer"
    requires = ("core",)
    config_type = AcmeAuthorizerConfig
    transport: ClassVar[httpx.AsyncBaseTransport | None] = None  # None: over sockets

    def __init__(self, config: AcmeAuthorizerConfig, host: Host) -> None:
        super().__init__(config, host)
        self._client: httpx.AsyncClient | None = None

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Keep the connections."""
        async with httpx.AsyncClient(transport=self.transport, trust_env=False) as self._client:
            task_status.started()
            await trio.sleep_forever()

    @hookimpl
    async def authorize_id_tag(self, station: Station, id_tag: str) -> IdTagInfo | None:
        """The answer for ACME's tags, None for all others: csmsd's own table judges those."""
        if not id_tag.upper().startswith(self.config.prefix) or self._client is None:
            return None
        try:
            with trio.fail_after(self.config.patience):
                answer = await self._client.post(self.config.url, json={"tag": id_tag, "station": station.id})
            answer.raise_for_status()
            return IdTagInfo("Accepted" if answer.json()["may_charge"] else "Blocked", parent_id_tag="ACME")
        except (httpx.HTTPError, trio.TooSlowError, ValueError, KeyError) as error:
            if self.config.otherwise == "tag_table":
                return None
            # Not any exception: after ten in a row csmsd would put this plugin aside, and let the tag table decide.
            raise BackendUnavailable(f"ACME's customer service does not answer: {error!r}") from error
