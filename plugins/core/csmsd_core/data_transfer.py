"""DataTransfer from stations: routed vendor by vendor, with the right status for what nobody knows (CORE-10, CORE-11).

A plugin says which messages it answers, and the rest follows:

    class AcmePlugin(VendorMessages, Plugin[AcmeConfig]):
        \"\"\"Answers the tariff questions of ACME's stations.\"\"\"

        name = "acme"
        requires = ("core",)

        @vendor_message("com.acme", "GetTariff")
        async def tariff(self, station: Station, request: DataTransfer) -> DataTransferResponse:
            return DataTransferResponse("Accepted", '{"cents": 42}')
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, TypeVar

from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.station import Station
from csmsd_core import hookspecs
from csmsd_core.folding import folded
from csmsd_core.hookspecs import VendorMessage
from csmsd_core.messages import DataTransfer, DataTransferResponse

F = TypeVar("F", bound=Callable[..., DataTransferResponse | Awaitable[DataTransferResponse]])
MARK = "csmsd_vendor_message"


def vendor_message(vendor_id: str, message_id: str | None = None) -> Callable[[F], F]:
    """Mark a method `(self, station, request)`, plain or async, as the answer to this vendor's message.

    Without a message id it answers every message of the vendor that no other method names. Both ids are compared
    without regard to case.
    """

    def mark(method: F) -> F:
        setattr(method, MARK, VendorMessage(vendor_id, message_id))
        return method

    return mark


class VendorMessages:
    """A mixin for plugins: implements the hooks for the methods that are marked with `vendor_message`."""

    _routes: ClassVar[dict[tuple[str, str | None], str]] = {}
    _declared: ClassVar[tuple[VendorMessage, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        marked = {name: getattr(getattr(cls, name, None), MARK, None) for name in dir(cls)}
        cls._declared = tuple(each for each in marked.values() if each is not None)
        cls._routes = {_key(each.vendor_id, each.message_id): name for name, each in marked.items() if each is not None}

    @hookimpl
    async def data_transfer(self, station: Station, request: DataTransfer) -> DataTransferResponse | None:
        """The answer of the method in charge; None leaves the message to other plugins."""
        name = self._routes.get(_key(request.vendor_id, request.message_id)) or self._routes.get(
            _key(request.vendor_id, None)
        )
        if name is None:
            return None
        answer: Any = getattr(self, name)(station, request)
        response: DataTransferResponse = await answer if inspect.isawaitable(answer) else answer
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


def _key(vendor_id: str, message_id: str | None) -> tuple[str, str | None]:
    return folded(vendor_id), None if message_id is None else folded(message_id)
