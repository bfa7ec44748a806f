"""Facts for others: signed webhooks and MQTT. What programs use: the services and their records."""

from __future__ import annotations

from csmsd_events.book import Webhook
from csmsd_events.catalog import EventType, event_types
from csmsd_events.config import EventsConfig, MqttConfig, WebhookConfig
from csmsd_events.delivery import Attempt
from csmsd_events.envelope import Event
from csmsd_events.plugin import EventsPlugin
from csmsd_events.webhooks import InvalidWebhook, UnknownWebhook, WebhookStatus

__all__ = [
    "Attempt",
    "Event",
    "EventType",
    "EventsConfig",
    "EventsPlugin",
    "InvalidWebhook",
    "MqttConfig",
    "UnknownWebhook",
    "Webhook",
    "WebhookConfig",
    "WebhookStatus",
    "event_types",
]
