"""A charger made of the `ocpp` package and `websockets`."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
import threading
from dataclasses import fields
from typing import Any
from urllib.parse import quote

from ocpp.charge_point import camel_to_snake_case, remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.exceptions import NotImplementedError as NotImplementedByUs
from ocpp.exceptions import OCPPError
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

Payload = dict[str, Any]
answers: dict[str, Payload | None] = {}  # None: stay silent


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


class Wiretap:
    """The connection as the package wants it; everything that passes is told."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket

    async def recv(self) -> str | bytes:
        message = await self._websocket.recv()
        tell(received=message)
        return message

    async def send(self, message: str) -> None:
        tell(sent=message)
        await self._websocket.send(message)


def tls_context(root: str, certificate: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=root)
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


def answer_to(action: Action) -> Any:
    async def answer(self: Charger, **_: Any) -> Any:
        if action.value not in answers:
            raise NotImplementedByUs(action.value)
        payload = answers[action.value]
        if payload is None:
            await self.websocket.wait_closed()
        return getattr(call_result, action.value)(**camel_to_snake_case(payload))

    answer.__name__ = f"answer_{action.name}"
    return on(action)(answer)


class Charger(ChargePoint):  # type: ignore[misc]  # the package has no types
    """Answers every command that the package knows."""

    def __init__(self, identity: str, websocket: ClientConnection) -> None:
        super().__init__(identity, Wiretap(websocket))
        self.websocket = websocket

    for _action in Action:
        locals()[f"answer_{_action.name}"] = answer_to(_action)


class Puppet:
    def __init__(self) -> None:
        self._websocket: ClientConnection | None = None
        self._charger: Charger | None = None
        self._listening: asyncio.Task[None] | None = None

    async def connect(
        self, url: str, identity: str, password: str | None, subprotocols: list[str], tls: Payload | None
    ) -> Payload:
        headers = {}
        if password is not None:
            token = base64.b64encode(f"{identity}:".encode() + bytes.fromhex(password))
            headers["Authorization"] = f"Basic {token.decode()}"
        try:
            self._websocket = await connect(
                f"{url}/{quote(identity, safe='')}",
                subprotocols=[Subprotocol(name) for name in subprotocols],
                additional_headers=headers,
                ssl=tls and tls_context(**tls),
            )
        except InvalidStatus as refused:
            return {"status": refused.response.status_code}
        self._charger = Charger(identity, self._websocket)
        self._listening = asyncio.create_task(self._listen(self._charger))
        return {"status": 101, "subprotocol": self._websocket.subprotocol}

    async def call(self, action: str, payload: Payload) -> Payload:
        assert self._charger is not None
        kind = getattr(call, action)
        # The package's classes insist on some fields that are optional; its schemas see what is really missing.
        absent = {field.name: None for field in fields(kind)}
        request = kind(**{**absent, **camel_to_snake_case(payload)})
        response = await self._charger.call(request, suppress=False)
        answer: Payload = snake_to_camel_case(remove_nones(serialize_as_dict(response)))
        return answer

    async def answer(self, action: str, payload: Payload | None) -> None:
        answers[action] = payload

    async def drop(self) -> None:
        assert self._websocket is not None
        self._websocket.transport.abort()

    async def leave(self) -> None:
        assert self._websocket is not None
        await self._websocket.close()

    async def _listen(self, charger: Charger) -> None:
        try:
            await charger.start()
        except ConnectionClosed as end:
            tell(closed=end.rcvd.code if end.rcvd else 1006, reason=end.rcvd.reason if end.rcvd else "")


async def obey(puppet: Puppet, order: int, do: str, **details: Any) -> None:
    try:
        tell(order=order, result=await getattr(puppet, do)(**details))
    except OCPPError as error:
        tell(order=order, error=error.code, text=error.description)
    except Exception as error:  # whatever went wrong is for the test to see
        tell(order=order, error=type(error).__name__, text=str(error))


async def main() -> None:
    loop, orders = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(orders.put_nowait, line)

    threading.Thread(target=read, daemon=True).start()
    puppet, obeying = Puppet(), set[asyncio.Task[None]]()
    while True:
        task = asyncio.create_task(obey(puppet, **json.loads(await orders.get())))
        obeying.add(task)
        task.add_done_callback(obeying.discard)


asyncio.run(main())
