"""The kernel's own figures for /metrics; never labelled by station."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from csmsd.hookspecs import Metric

if TYPE_CHECKING:
    from csmsd._kernel.house import House


def kernel_metrics(house: House) -> Iterator[Metric]:
    """What is at hand, read when it is asked for."""
    yield Metric("ready", "1 while stations are let in", float(house.is_ready))
    yield Metric("stations_registered", "Stations with a record", len(house.book))
    yield Metric("stations_connected", "Stations that are connected", len(house.registry))
    yield Metric("connections_admitted_total", "Upgrades answered with 101", house.door.admitted, type="counter")
    for stage, count in sorted(house.door.refusals.items()):
        labels = (("stage", stage),)
        yield Metric("connections_refused_total", "Attempts to connect that failed", count, labels, "counter")
    yield from _of_actions(house)
    yield from _of_storage(house)
    for status in house.plugins.status():
        labels = (("plugin", status.name),)
        yield Metric("plugin_calls_total", "Hook calls answered", status.calls, labels, "counter")
        yield Metric("plugin_failures_total", "Hook calls that failed", status.failures, labels, "counter")
        yield Metric("plugin_seconds_total", "Time in hooks, waiting included", status.seconds, labels, "counter")
        held_up = "Steps of the loop in which everybody waited for the plugin"
        yield Metric("plugin_blocked_total", held_up, status.blocked, labels, "counter")
        yield Metric("plugin_blocked_seconds_total", "How long they took", status.blocked_seconds, labels, "counter")
        yield Metric("plugin_backlog", "Facts the plugin has not taken yet", status.backlog, labels)
        yield Metric("plugin_facts_set_aside", "Facts the plugin could not take", status.set_aside, labels)
        yield Metric("plugin_enabled", "1 while the plugin takes part", float(status.state == "enabled"), labels)


def _of_actions(house: House) -> Iterator[Metric]:
    for name, figures in sorted(house.dispatcher.figures.items()):
        labels = (("action", name),)
        seconds = figures.microseconds / 1e6
        yield Metric("calls_total", "CALLs of stations handled", figures.calls, labels, "counter")
        yield Metric("call_errors_total", "CALLs not answered with a result", figures.errors, labels, "counter")
        yield Metric("call_seconds_total", "Time from arrival to answer", seconds, labels, "counter")
        yield Metric("call_seconds_max", "Slowest answer since start", figures.slowest / 1e6, labels)


def _of_storage(house: House) -> Iterator[Metric]:
    statistics = house.database.statistics
    slow = house.slow_messages
    yield Metric("slow_messages_total", "Messages that held up everybody for over 1 ms", slow.count, type="counter")
    yield Metric("slow_message_seconds_max", "The longest of them", slow.slowest)
    yield Metric("store_available", "1 while csmsd can store", float(house.store.is_available))
    yield Metric("store_queue", "Writes waiting for their commit", house.database.depth)
    yield Metric("store_commits_total", "Database transactions committed", statistics.batches, type="counter")
    yield Metric("store_writes_total", "Writes committed", statistics.writes, type="counter")
