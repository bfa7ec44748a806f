"""A vendor's command: a DataTransfer to a station, with a name and types of its own (CORE-10, CORE-11)."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from csmsd.command import Command, Redact, keep
from csmsd.errors import InvalidPayload
from csmsd.ocpp.encoding import encode_payload
from csmsd_core.messages import DataTransfer, DataTransferResponse

Request = TypeVar("Request", bound=msgspec.Struct)
Answer = TypeVar("Answer", bound=msgspec.Struct)


class VendorCommand(Command[Request, DataTransferResponse]):
    """Offered by a plugin like any command: `await station.call(SHOW_TARIFF, Tariff(42))`.

    In the API and on the command line it is called `<vendorId>.<messageId>`, and its payload is the Struct alone. The
    station is sent a DataTransfer with the Struct's JSON as `data`. `redact_request` gets both, the Struct's JSON and
    the DataTransfer's.
    """

    __slots__ = ("message_id", "vendor_id")

    def __init__(
        self,
        vendor_id: str,
        message_id: str,
        request: type[Request],
        summary: str = "",
        *,
        redact_request: Redact = keep,
        redact_response: Redact = keep,
    ) -> None:
        super().__init__(
            f"{vendor_id}.{message_id}",
            request,
            DataTransferResponse,
            summary,
            action="DataTransfer",
            redact_request=redact_request,
            redact_response=redact_response,
        )
        self.vendor_id, self.message_id = vendor_id, message_id

    def encode(self, request: Request, *, whole_seconds: bool = False) -> bytes:
        """The DataTransfer; InvalidPayload if the Struct in it breaks a rule of its type."""
        data = encode_payload(request, whole_seconds=whole_seconds)
        self.decode(data)
        return encode_payload(DataTransfer(self.vendor_id, self.message_id, data.decode()))

    def answer_in(self, response: DataTransferResponse, type_: type[Answer]) -> Answer | None:
        """What the station wrote into `data`, as JSON of a Struct; None if there is no data; InvalidPayload."""
        if response.data is None:
            return None
        try:
            return msgspec.json.decode(response.data, type=type_)
        except msgspec.MsgspecError as error:
            raise InvalidPayload(f"{self.name}: the answer's data cannot be read: {error}") from None
