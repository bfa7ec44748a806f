"""The certification's charger believes nothing: each way in which a central system can break OCPP-J has its words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from csmsd_certification.case import CaseFailed
from csmsd_certification.catalogue import Catalogue
from csmsd_certification.charger import Charger
from csmsd_certification.connection import Door
from csmsd_certification.wire import WireLog
from csmsd_core import CorePlugin

PATIENCE = 5.0
CATALOGUE = Catalogue(
    {action.name: action for action in CorePlugin.actions}, {command.name: command for command in CorePlugin.commands}
)
Serve = Callable[[WebSocketConnection], Awaitable[None]]


@asynccontextmanager
async def connected(serve: Serve, timeout: float = PATIENCE, subprotocol: str = "ocpp1.6") -> AsyncIterator[Charger]:
    """A charger, connected to a central system that does as `serve` says."""

    async def handle(request: WebSocketRequest) -> None:
        try:
            await serve(await request.accept(subprotocol=subprotocol or None))
            await trio.sleep_forever()
        except ConnectionClosed:
            pass

    async with trio.open_nursery() as nursery:
        listening = partial(serve_websocket, handle, "127.0.0.1", 0, None, handler_nursery=nursery)
        server = await nursery.start(listening)
        charger = Charger("CP-1", CATALOGUE, WireLog(), timeout)
        try:
            await charger.connect(nursery, Door(f"ws://127.0.0.1:{server.port}/ocpp"))
            yield charger
        finally:
            await charger.leave()
            nursery.cancel_scope.cancel()


async def stay_silent(_socket: WebSocketConnection) -> None:
    await trio.sleep_forever()


async def failure_of(serve: Serve, do: Callable[[Charger], Awaitable[object]], timeout: float = PATIENCE) -> CaseFailed:
    async with connected(serve, timeout) as charger:
        try:
            await do(charger)
        except CaseFailed as failed:
            return failed
    pytest.fail("the charger was content")


async def heartbeat(charger: Charger) -> None:
    await charger.call("Heartbeat")


async def reset(charger: Charger) -> None:
    await charger.command("Reset")


@pytest.mark.parametrize(
    ("answer", "expected", "got"),
    [
        ('[3,"other",{}]', "message id CP-1-1", "other"),
        ('[4,"CP-1-1","InternalError","oops",{}]', "CALLRESULT", "CALLERROR InternalError: oops"),
        ('[3,"CP-1-1",{}]', "a payload that obeys the schema", "currentTime"),
        ('[3,"CP-1-1",{"currentTime":"yesterday"}]', "a payload that obeys the schema", "currentTime"),
        ('[3,"CP-1-1",{"currentTime":"2026-01-01T00:00:00Z","more":1}]', "a payload that obeys the schema", "more"),
        ('[3,"CP-1-1"]', "an OCPP-J frame", "CALLRESULT of 2 elements"),
        ("hello", "an OCPP-J frame", "not a JSON array"),
        (b"\x00", "a text message", "a binary one"),
    ],
)
async def test_an_answer_that_is_wrong_is_named(answer: str | bytes, expected: str, got: str) -> None:
    async def serve(socket: WebSocketConnection) -> None:
        await socket.get_message()
        await socket.send_message(answer)

    failed = await failure_of(serve, heartbeat)
    assert (failed.step, failed.expected) == ("Heartbeat.conf", expected)
    assert got in failed.got


@pytest.mark.parametrize(
    ("frame", "step", "got"),
    [
        ('[2,"1","Reset",{"type":"Gentle"}]', "Reset.req", "type"),
        ('[2,"1","Reset",{"type":"Soft","more":1}]', "Reset.req", "more"),
        ('[2,"1","ClearCache",{}]', "Reset.req", "ClearCache"),
        ('[2,"1","FormatDisk",{}]', "FormatDisk.req", "no plugin offers that command"),
        ('[3,"1",{}]', "Reset.req", "an answer to 1, which waits for none"),
    ],
)
async def test_a_command_that_is_wrong_is_named(frame: str, step: str, got: str) -> None:
    failed = await failure_of(lambda socket: socket.send_message(frame), reset)
    assert failed.step == step
    assert got in failed.got


async def test_silence_and_the_end_of_the_connection_are_named() -> None:
    silent = await failure_of(stay_silent, heartbeat, timeout=0.2)
    assert silent.got == "nothing within 0.2 s"
    closed = await failure_of(lambda socket: socket.aclose(1008, "go away"), heartbeat)
    assert closed.got == "the connection was closed (1008 go away)"


async def test_a_connection_without_our_subprotocol_is_not_taken() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(CaseFailed, match="expected Sec-WebSocket-Protocol: ocpp1.6")):
        async with connected(stay_silent, subprotocol=""):
            pass


async def test_a_command_that_comes_before_an_answer_is_not_lost_and_everything_is_on_record() -> None:
    async def serve(socket: WebSocketConnection) -> None:
        call = json.loads(await socket.get_message())
        await socket.send_message('[2,"7","Reset",{"type":"Soft"}]')
        await socket.send_message(json.dumps([3, call[1], {"currentTime": "2026-01-01T00:00:00Z"}]))

    async with connected(serve) as charger:
        assert await charger.call("Heartbeat") == {"currentTime": "2026-01-01T00:00:00Z"}
        command = await charger.command("Reset")
        await charger.answer(command, {"status": "Accepted"})
        directions = [line.direction for line in charger.log.lines]
        assert directions == ["event", "sent", "received", "received", "sent"]
        assert charger.log.messages == {"Heartbeat", "Reset"}
        assert [each.action for each in charger.log.measured] == ["Heartbeat"]


async def test_who_is_not_there_is_named() -> None:
    charger = Charger("CP-1", CATALOGUE, WireLog(), PATIENCE)
    async with trio.open_nursery() as nursery:
        with pytest.raises(CaseFailed, match=r"connect: expected the upgrade \(HTTP 101\), got no connection"):
            await charger.connect(nursery, Door("ws://127.0.0.1:1/ocpp"))
        with pytest.raises(CaseFailed, match="an open one"):
            await charger.call("Heartbeat")
