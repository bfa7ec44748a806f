"""The events plugin's part of the management API; mounted under `/api/v1` by the web plugin, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
from litestar import Request, delete, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd_events.book import Webhook
from csmsd_events.catalog import EventType, event_types
from csmsd_events.delivery import Attempt
from csmsd_events.webhooks import InvalidWebhook, UnknownWebhook, Webhooks, WebhookStatus

if TYPE_CHECKING:
    from csmsd_events.plugin import EventsPlugin

Item = TypeVar("Item")
AnyRequest = Request[Any, Any, Any]
Pattern = Annotated[str, Meta(min_length=1, max_length=100)]
Patterns = Annotated[list[Pattern], Meta(min_length=1, max_length=100)]


class WebhookBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In patterns, `*` stands for anything. Without a secret csmsd makes one."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    types: Patterns = msgspec.field(default_factory=lambda: ["*"])
    stations: Patterns = msgspec.field(default_factory=lambda: ["*"])
    secret: Annotated[str, Meta(max_length=200)] | None = None
    note: Annotated[str, Meta(max_length=200)] = ""


class CreatedWebhook(msgspec.Struct, frozen=True):
    """The only time that the secret is told."""

    webhook: Webhook
    secret: str


class EventsList(msgspec.Struct, Generic[Item], frozen=True):
    """All there are; `next` is null, as at the end of every list."""

    items: Sequence[Item]
    next: str | None = None


def events_routes(plugin: EventsPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the services."""
    return [*_to_look(plugin), *_to_change(plugin)]


def _to_look(plugin: EventsPlugin) -> Sequence[ControllerRouterHandler]:
    host, webhooks = plugin.host, plugin.webhooks

    @get("/event-types", scope="read", summary="List types of events", tags=["Events"])
    async def list_types() -> EventsList[EventType]:
        """What the enabled plugins tell, with JSON Schema and an example of each."""
        return EventsList(event_types(host.facts.known, plugin.config.source))

    @get("/webhooks", scope="read", summary="List webhooks", tags=["Events"])
    async def list_webhooks() -> EventsList[WebhookStatus]:
        """And how they are doing."""
        return EventsList(webhooks.status())

    @get("/webhooks/{webhook_id:int}", scope="read", summary="Show a webhook", tags=["Events"])
    async def show(webhook_id: FromPath[int]) -> WebhookStatus:
        """And how it is doing."""
        return _known(webhooks, webhook_id)

    @get("/webhooks/{webhook_id:int}/deliveries", scope="read", summary="List a webhook's deliveries", tags=["Events"])
    async def list_deliveries(webhook_id: FromPath[int]) -> EventsList[Attempt]:
        """The last hundred attempts since start, newest first. Dead letters: `GET /plugins/events/facts/failed`."""
        _known(webhooks, webhook_id)
        return EventsList(webhooks.attempts(webhook_id))

    return [list_types, list_webhooks, show, list_deliveries]


def _to_change(plugin: EventsPlugin) -> Sequence[ControllerRouterHandler]:
    host, webhooks = plugin.host, plugin.webhooks

    @post("/webhooks", scope="admin", summary="Add a webhook", tags=["Events"])
    async def add(request: AnyRequest, data: JSONBody[WebhookBody]) -> CreatedWebhook:
        """It gets what happens from now on. The answer tells the secret, this once."""
        try:
            made, secret = await webhooks.add(data.url, data.types, data.stations, secret=data.secret, note=data.note)
        except InvalidWebhook as error:
            raise HTTPException(detail=str(error), status_code=422) from None
        host.audit.record(request.user, "events.webhook.add", str(made.id), None, made)
        return CreatedWebhook(made, secret)

    @delete("/webhooks/{webhook_id:int}", scope="admin", summary="Remove a webhook", tags=["Events"])
    async def remove(request: AnyRequest, webhook_id: FromPath[int]) -> None:
        """With what waits for it, and its dead letters."""
        _known(webhooks, webhook_id)
        removed = await webhooks.remove(webhook_id)
        host.audit.record(request.user, "events.webhook.remove", str(webhook_id), removed)

    @post(
        "/webhooks/{webhook_id:int}/disable",
        scope="admin",
        summary="Disable a webhook",
        tags=["Events"],
        status_code=200,
    )
    async def disable(request: AnyRequest, webhook_id: FromPath[int]) -> Webhook:
        """What happens meanwhile waits for it, for thirty days."""
        before = _known(webhooks, webhook_id).webhook
        after = await webhooks.disable(webhook_id)
        host.audit.record(request.user, "events.webhook.disable", str(webhook_id), before, after)
        return after

    @post(
        "/webhooks/{webhook_id:int}/enable", scope="admin", summary="Enable a webhook", tags=["Events"], status_code=200
    )
    async def enable(request: AnyRequest, webhook_id: FromPath[int]) -> Webhook:
        """It goes on where it stopped."""
        before = _known(webhooks, webhook_id).webhook
        after = await webhooks.enable(webhook_id)
        host.audit.record(request.user, "events.webhook.enable", str(webhook_id), before, after)
        return after

    @post(
        "/webhooks/{webhook_id:int}/test", scope="operate", summary="Test a webhook", tags=["Events"], status_code=200
    )
    async def test(request: AnyRequest, webhook_id: FromPath[int]) -> Attempt:
        """Posts an event of the type `csmsd.test`, once, and tells how it went."""
        _known(webhooks, webhook_id)
        host.audit.record(request.user, "events.webhook.test", str(webhook_id))
        return await webhooks.test(webhook_id)

    return [add, remove, disable, enable, test]


def _known(webhooks: Webhooks, id_: int) -> WebhookStatus:
    try:
        return webhooks.get(id_)
    except UnknownWebhook as error:
        raise HTTPException(detail=str(error), status_code=404) from None
