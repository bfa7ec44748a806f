"""The authoriser as a plugin: asks, remembers for a moment, and says what counts when there is no answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import httpx
import trio

from csmsd.config import Config
from csmsd.errors import BackendUnavailable
from csmsd.hookspecs import Metric, hookimpl
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.plugin import Plugin
from csmsd.station import Station
from csmsd_authorizer import config as settings
from csmsd_authorizer.backend import open_backend
from csmsd_authorizer.cache import Cache, Key, key_of
from csmsd_authorizer.config import AuthorizerConfig
from csmsd_authorizer.messages import Question
from csmsd_authorizer.questions import Questions
from csmsd_core import IdTagInfo, Purpose, core_of


class AuthorizerPlugin(Plugin[AuthorizerConfig]):
    """Asks an HTTP backend which id tags may charge; or lets all of them."""

    name = "authorizer"
    requires = ("core",)
    critical = True  # put aside, it would leave every decision to the tag table, which may not be what is configured
    config_type = AuthorizerConfig
    transport: ClassVar[httpx.AsyncBaseTransport | None] = None  # how to reach the backend; None: over sockets

    def __init__(self, config: AuthorizerConfig, host: Host) -> None:
        settings.check(config)
        super().__init__(config, host)
        self.cache = Cache(config.cache_ttl, config.cache_size)
        self.questions = Questions(host, config, self.log.warning)

    @classmethod
    def remarks(cls, own: AuthorizerConfig, config: Config) -> Iterable[str]:
        """What is dangerous or cannot work."""
        settings.check(own)
        return settings.remarks(own, config)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Keep the connections to the backend."""
        if self.config.allow_all:
            self.log.warning("%s", settings.ALLOWS_ALL)
            task_status.started()
            return
        async with open_backend(self.config, self.host.env, self.transport) as backend, trio.open_nursery() as nursery:
            for _ in range(self.config.at_once):
                nursery.start_soon(self.questions.work, backend.ask)
            task_status.started()

    @hookimpl
    def authorize_id_tag(
        self, station: Station, id_tag: str, purpose: Purpose
    ) -> IdTagInfo | Pending[IdTagInfo | None]:
        """The backend's word; without it what the settings say (AUTH-09, AUTH-14)."""
        if self.config.allow_all:
            known = self._own_verdict(station.id, id_tag)
            return known or IdTagInfo("Accepted")
        key = key_of(station.id, id_tag)
        # A start is always verified anew (TX-06); what was kept helps only if that fails.
        kept = None if purpose == "start" else self.cache.find(key, self.host.env.now())
        return kept or self._ask(Question(station.id, id_tag, purpose), key)

    def _ask(self, question: Question, key: Key) -> Pending[IdTagInfo | None]:
        result: Pending[IdTagInfo | None] = Pending()

        def settled(info: IdTagInfo | None, error: BaseException | None) -> None:
            if error is None:
                self.cache.put(key, info, self.host.env.now())
                result.settle(info)
                return
            instead = self._instead(question, key)
            if instead is not None:
                result.settle(instead)
            else:
                result.settle(
                    error=BackendUnavailable(f"{self.config.url} has no answer on {question.id_tag}: {error}")
                )

        self.questions.put(question).when_settled(settled)
        return result

    def _instead(self, question: Question, key: Key) -> IdTagInfo | None:
        """What counts without an answer; None: the Core profile's answer to a failure."""
        kept = self.cache.find(key, self.host.env.now())
        if kept is None and self.config.outcome_for(question.purpose) == "tag_table":
            return self._own_verdict(question.station_id, question.id_tag)
        return kept

    def _own_verdict(self, station_id: str, id_tag: str) -> IdTagInfo | None:
        """What csmsd itself knows of a tag, remote starts included; None: nothing."""
        info = core_of(self.host).authorization.own_verdict(station_id, id_tag)
        return None if info.status == "Invalid" else info

    @hookimpl
    def report_metrics(self) -> Iterable[Metric]:
        """Figures for /metrics."""
        questions = self.questions
        yield Metric("authorizer_questions", "Questions to the backend since start.", float(questions.asked))
        yield Metric("authorizer_failures", "Those without a usable answer.", float(questions.failed))
        yield Metric("authorizer_waiting", "Questions that wait for a free connection.", float(questions.waiting))
        yield Metric("authorizer_is_down", "1 while the backend is left alone.", float(questions.breaker.is_open))
