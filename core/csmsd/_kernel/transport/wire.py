"""One non-blocking socket in an epoll: what is left to send, deadlines, and a good end."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from csmsd._kernel.timers import Timer
    from csmsd._kernel.transport.reactor import Reactor

IN, OUT = select.EPOLLIN, select.EPOLLOUT
GONE = select.EPOLLERR | select.EPOLLHUP
CHUNK: Final = 65_536  # bytes of one recv or send; more than a TLS record
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

# The life of a wire. Each state is entered once, in this order; some are skipped.
OPEN, CLOSING, LINGERING, DEAD = range(4)


class Wire:
    """A socket that the reactor serves. Subclasses say what its bytes mean.

    OPEN: bytes are taken. CLOSING: our farewell is said, the peer's is awaited. LINGERING: everything is said; what
    still arrives is thrown away until the peer ends the stream, because closing a socket with unread bytes resets it
    and may destroy the farewell on its way. DEAD: the socket is closed.
    """

    __slots__ = ("_deadline", "_epoll", "_is_corked", "_leftovers", "_mask", "_out", "_reactor", "_sock", "_stalled",
                 "_state", "_tls", "peer")  # fmt: skip

    def __init__(self, reactor: Reactor, epoll: select.epoll, sock: socket.socket, peer: str) -> None:
        self.peer = peer
        self._reactor = reactor
        self._epoll = epoll
        self._sock = sock
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._out: bytearray = bytearray()  # not sent yet
        self._state = OPEN
        self._is_corked = False  # what is written in one turn leaves in one send at its end
        self._leftovers = reactor.limits.message_bytes  # that are read at most while lingering
        self._deadline: Timer | None = None
        self._stalled: Timer | None = None
        self._mask = IN
        epoll.register(sock.fileno(), IN)
        reactor.wires[sock.fileno()] = self

    # -- what subclasses say ----------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        """Bytes arrived; not in LINGERING."""
        raise NotImplementedError

    def _proceed(self) -> None:
        """The socket can be written to: go on with what was put off."""

    def _mask_wanted(self) -> int:
        """What an OPEN or CLOSING wire waits for, apart from room for what is left to send."""
        return IN

    def _ended(self, reason: str) -> None:
        """Nothing will be taken any more; called once, by the reactor's or the wheel's task."""

    def _closed(self) -> None:
        """The socket is closed; called once, after `_ended`."""

    # -- the reactor's turn -----------------------------------------------------------------------------

    def serve(self, events: int) -> None:
        """Do what can be done without waiting; one of many turns."""
        if events & GONE and not events & IN:
            self.drop("connection reset")
            return
        self._is_corked = True
        try:
            if events & OUT:
                self._proceed()
            if events & IN and self._mask & IN and self._state != DEAD:
                self._read()
        finally:
            self._is_corked = False
        if self._state != DEAD:
            self._flush()
            self._arm()

    def _read(self) -> None:
        try:
            data = self._sock.recv(CHUNK)
            if self._tls is not None:
                while pending := self._tls.pending():  # epoll does not see what is decrypted already
                    data += self._tls.recv(pending)
        except WOULD_BLOCK:
            return
        except OSError as error:
            self.drop(f"connection broken: {type(error).__name__}")
            return
        if not data:
            self.drop("end of stream")
        elif self._state != LINGERING:
            self._take(data)
        else:
            self._leftovers -= len(data)
            if self._leftovers < 0:
                self.drop("too much is left over")

    # -- bytes out --------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        """Send, now or later. Never ends the wire: it may be called from inside the connection."""
        self._out += data
        if len(self._out) > self._reactor.limits.buffer_max:
            self._doom("too much is unsent")
        elif not self._is_corked:
            self._flush()
            self._arm()

    def _flush(self) -> None:
        """Send what the socket takes of what is left."""
        out = self._out
        if not out:
            return
        is_moving = False
        try:
            while out:
                sent = self._sock.send(out if len(out) <= CHUNK else out[:CHUNK])
                del out[:sent]
                is_moving = True
        except WOULD_BLOCK:
            pass
        except OSError as error:
            self._doom(f"connection broken: {type(error).__name__}")
            return
        if self._stalled is not None and is_moving:
            self._stalled.cancel()
            self._stalled = None
        if out and self._stalled is None:
            self._stalled = self._reactor.wheel.after(self._reactor.limits.write, self._give_up_writing)
        elif not out and self._state == LINGERING:
            self._half_close()

    def _give_up_writing(self) -> None:
        self.drop("the peer does not read")

    def _arm(self) -> None:
        """Tell epoll what we wait for. EPOLLOUT is also our doorbell: it rings at once in the reactor's own task."""
        if self._state == DEAD:
            return
        mask = IN if self._state == LINGERING else self._mask_wanted()
        if self._out:
            mask |= OUT
        if mask != self._mask:
            self._mask = mask
            self._epoll.modify(self._sock.fileno(), mask)

    # -- the end ----------------------------------------------------------------------------------------

    def _linger(self, reason: str) -> None:
        """Everything is said: let the peer hear it, then drop. Only from the reactor's or the wheel's task."""
        if self._state >= LINGERING:
            return
        self._state = LINGERING
        self._set_deadline(self._reactor.limits.close, self._drop_late)
        if not self._out:
            self._half_close()
        self._arm()
        self._ended(reason)

    def _half_close(self) -> None:
        """Tell the peer that nothing follows, and stay to read. If it is gone already epoll will tell."""
        if self._tls is not None:
            with contextlib.suppress(OSError, ValueError):  # it sends the end of TLS; the peer's is not awaited
                self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def _doom(self, reason: str) -> None:
        """Drop soon, from the wheel's task: it may hold the caller, and a full socket rings no bell."""
        if self._state < LINGERING:
            self._state = CLOSING
            self._out.clear()
            self._reactor.wheel.after(0, lambda: self.drop(reason))

    def _set_deadline(self, seconds: float, callback: Callable[[], None]) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._reactor.wheel.after(seconds, callback)

    def _drop_late(self) -> None:
        self.drop("closed")

    def _forget(self) -> None:
        """Leave the epoll and stop all timers; the socket stays as it is."""
        fd = self._sock.fileno()
        del self._reactor.wires[fd]
        self._epoll.unregister(fd)
        for timer in (self._deadline, self._stalled):
            if timer is not None:
                timer.cancel()
        self._deadline = self._stalled = None

    def drop(self, reason: str) -> None:
        """Close the socket, whatever is unsent. Never from inside a method of Link."""
        if self._state == DEAD:
            return
        is_news = self._state < LINGERING
        self._state = DEAD
        self._forget()
        self._sock.close()
        if is_news:
            self._ended(reason)
        self._closed()
