"""From the configuration to the sockets that stations connect to."""

from __future__ import annotations

import socket

from csmsd.config import Listen
from csmsd.listening import bind, parse_address, refuse_exposed


def open_listeners(listen: Listen) -> dict[str, socket.socket]:
    """The station listeners by name, `ocpp` and `ocpp_tls`; raises ConfigError, leaving nothing open (WS-01, WS-40)."""
    opened: dict[str, socket.socket] = {}
    try:
        for name, text in (("ocpp", listen.ocpp), ("ocpp_tls", listen.ocpp_tls)):
            if text:
                address = parse_address(text, f"listen.{name}")
                if name == "ocpp":
                    refuse_exposed(address, listen, "listen.ocpp")
                opened[name] = bind(address, f"listen.{name}")
    except BaseException:
        for sock in opened.values():
            sock.close()
        raise
    return opened
