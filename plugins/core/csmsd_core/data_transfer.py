"""DataTransfer both ways: routed vendor by vendor, with the right status for what nobody knows (CORE-10, CORE-11).

A plugin says which messages it answers and which it sends, and the rest follows. `data` is a string in OCPP; where a
vendor writes JSON into it, name a Struct and get it decoded:

    class Question(msgspec.Struct):
        connector: int

    class Tariff(msgspec.Struct):
        cents: int

    SHOW_TARIFF = VendorCommand("com.acme", "ShowTariff", Tariff, "Show a price on the display.")

    class AcmePlugin(VendorMessages, Plugin[AcmeConfig]):
        \"\"\"Answers the tariff questions of ACME's stations.\"\"\"

        name = "acme"
        requires = ("core",)
        commands = (SHOW_TARIFF,)

        @vendor_message("com.acme", "GetTariff", Question)
        async def tariff(self, station: Station, question: Question) -> Tariff:
            return Tariff(42)

    answer = await station.call(SHOW_TARIFF, Tariff(42))  # a DataTransferResponse; see `answer_in`
    csmsd call CP-1 com.acme.ShowTariff '{"cents": 42}'
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.station import Station
from csmsd_core import hookspecs
from csmsd_core.folding import folded
from csmsd_core.hookspecs import VendorMessage
from csmsd_core.messages import DataTransfer, DataTransferResponse
from csmsd_core.vendor_command import VendorCommand

__all__ = ["VendorCommand", "VendorMessages", "unanswered", "vendor_message"]

log = logging.getLogger("csmsd.plugin.core")

F = TypeVar("F", bound=Callable[..., Any])
MARK = "csmsd_vendor_message"


class Route(NamedTuple):
    """A method that is marked, and what it takes."""

    message: VendorMessage
    decode: Callable[[str], Any] | None  # None: the DataTransfer as it is


def vendor_message(
    vendor_id: str, message_id: str | None = None, data: type[msgspec.Struct] | None = None
) -> Callable[[F], F]:
    """Mark a method `(self, station, request)`, plain or async, as the answer to this vendor's message.

    Without a message id it answers every message of the vendor that no other method names. Both ids are compared
    without regard to case. It takes the DataTransfer, or what is in its `data` if that is JSON of a Struct that you
    name; data that is not so is Rejected without asking the method. It returns a DataTransferResponse, or a Struct,
    which is Accepted with its JSON as `data`.
    """

    def mark(method: F) -> F:
        decode = None if data is None else msgspec.json.Decoder(data).decode
        setattr(method, MARK, Route(VendorMessage(vendor_id, message_id), decode))
        return method

    return mark


class VendorMessages:
    """A mixin for plugins: implements the hooks for the methods that are marked with `vendor_message`."""

    _routes: ClassVar[dict[tuple[str, str | None], tuple[str, Route]]] = {}
    _declared: ClassVar[tuple[VendorMessage, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        marked: dict[str, Route | None] = {name: getattr(getattr(cls, name, None), MARK, None) for name in dir(cls)}
        routes = [(name, route) for name, route in marked.items() if route is not None]
        cls._declared = tuple(route.message for _, route in routes)
        cls._routes = {_key(*route.message): (name, route) for name, route in routes}

    @hookimpl
    async def data_transfer(self, station: Station, request: DataTransfer) -> DataTransferResponse | None:
        """The answer of the method in charge; None leaves the message to other plugins."""
        found = self._routes.get(_key(request.vendor_id, request.message_id)) or self._routes.get(
            _key(request.vendor_id, None)
        )
        if found is None:
            return None
        name, route = found
        subject: Any = request
        if route.decode is not None:
            try:
                subject = route.decode(request.data or "")
            except msgspec.MsgspecError as error:
                log.warning("%s sends data that %s cannot read: %s", station.id, _title(request), error)
                return DataTransferResponse("Rejected")
        answer: Any = getattr(self, name)(station, subject)
        answer = await answer if inspect.isawaitable(answer) else answer
        if isinstance(answer, msgspec.Struct) and not isinstance(answer, DataTransferResponse):
            return DataTransferResponse("Accepted", msgspec.json.encode(answer).decode())
        response: DataTransferResponse | None = answer
        return response

    @hookimpl
    def data_transfer_messages(self) -> Iterable[VendorMessage]:
        """What this plugin answers."""
        return self._declared


def unanswered(host: Host, request: DataTransfer) -> DataTransferResponse:
    """The Core profile's own answer, when no plugin gave one; never a CALLERROR (CORE-10)."""
    vendor_id = folded(request.vendor_id)
    known = [
        each
        for declared in host.hooks.call_plain(hookspecs.data_transfer_messages)
        for each in declared
        if folded(each.vendor_id) == vendor_id
    ]
    if not known:
        return DataTransferResponse("UnknownVendorId")
    keys = {_key(each.vendor_id, each.message_id) for each in known}
    if _key(request.vendor_id, request.message_id) in keys or _key(request.vendor_id, None) in keys:
        return DataTransferResponse("Rejected")  # its handler failed; the operator sees why
    return DataTransferResponse("UnknownMessageId")


def _title(request: DataTransfer) -> str:
    return f"{request.vendor_id} {request.message_id or '(no messageId)'}"


def _key(vendor_id: str, message_id: str | None) -> tuple[str, str | None]:
    return folded(vendor_id), None if message_id is None else folded(message_id)
