"""The same bytes through our codec, wsproto and websockets: the same messages, the same close codes.

Each oracle is driven without I/O. Where they differ by design:
- Both oracles take binary messages; to us they end the connection (1003). The oracles are judged up to there.
- websockets leaves UTF-8 to its connection classes; the adapter checks it the way those do, frame by frame.
- We judge what has arrived. The oracles may wait for the end of a frame, or of its header, that never comes: they may
  have one violation less, never one more.
- A Close with a bad code and a bad reason is one violation to us, the other to websockets: no stream holds both.
- wsproto does not know close code 1014, which the registry lists: no stream holds it.
- Lengths that are not minimal are forbidden by section 5.2; websockets lets them pass, so only wsproto sees those.
"""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from csmsd._kernel.transport.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, VIOLATION, Codec

Said = tuple[int, bytes | int]  # opcode and payload; of a CLOSE or VIOLATION the code


def encoded(
    opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0, is_masked: bool = True, width: int = 0
) -> bytes:
    """A frame; `width` is 0 for the shortest form of the length, or the 2 or 8 bytes to use for it."""
    size = len(payload)
    width = width or (0 if size < 126 else 2 if size < 65536 else 8)
    length = (
        size.to_bytes(1, "big") if not width else bytes((126 if width == 2 else 127,)) + size.to_bytes(width, "big")
    )
    head = bytes((final << 7 | reserved << 4 | opcode, length[0] | is_masked << 7)) + length[1:]
    mask = b"\x01\xfe\x80\x7f"
    return head + (mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload)) if is_masked else payload)


def ours(chunks: list[bytes]) -> list[Said]:
    codec = Codec(1 << 20, 1 << 10)
    said: list[Said] = []
    for chunk in chunks:
        single = codec.single(chunk)
        if single is not None:
            said.append((TEXT, single))
        else:
            for event in codec.feed(chunk):
                said.append((event.opcode, event.code if event.opcode in (CLOSE, VIOLATION) else event.payload))
    return said


def wsproto(chunks: list[bytes]) -> list[Said]:
    connection = Connection(ConnectionType.SERVER)
    said: list[Said] = []
    message = ""
    for chunk in chunks:
        connection.receive_data(chunk)
        for event in connection.events():
            if isinstance(event, TextMessage):
                message += event.data
                if event.message_finished:
                    said.append((TEXT, message.encode()))
                    message = ""
            elif isinstance(event, BytesMessage):
                return [*said, (CLOSE, 1003)]
            elif isinstance(event, Ping | Pong):
                said.append((PING if isinstance(event, Ping) else PONG, bytes(event.payload)))
            elif isinstance(event, CloseConnection):  # said by the peer, or to be answered to a violation
                return [*said, (CLOSE, int(event.code))]
    return said


def websockets(chunks: list[bytes]) -> list[Said]:
    protocol = ServerProtocol(state=State.OPEN, max_size=1 << 20)
    decoder = codecs.getincrementaldecoder("utf-8")()
    said: list[Said] = []
    message = ""
    for chunk in chunks:
        protocol.receive_data(chunk)
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            payload = bytes(event.data)
            if event.opcode is Opcode.BINARY:
                return [*said, (CLOSE, 1003)]
            if event.opcode is Opcode.CLOSE:
                return [*said, (CLOSE, int.from_bytes(payload[:2], "big") if payload else 1005)]
            if event.opcode not in (Opcode.TEXT, Opcode.CONT):
                said.append((int(event.opcode), payload))
                continue
            try:
                message += decoder.decode(payload, event.fin)
            except UnicodeDecodeError:
                return [*said, (CLOSE, 1007)]
            if event.fin:
                said.append((TEXT, message.encode()))
                message = ""
        if protocol.close_sent is not None:
            return [*said, (CLOSE, int(protocol.close_sent.code))]
    return said


def assert_agree(mine: list[Said], theirs: list[Said]) -> None:
    is_violation = bool(mine) and mine[-1][0] == VIOLATION
    if is_violation and mine[-1][1] == 1003:
        assert theirs[: len(mine) - 1] == mine[:-1]
    elif is_violation:
        assert theirs in (mine[:-1], [*mine[:-1], (CLOSE, mine[-1][1])])
    else:
        assert theirs == mine


texts = st.text(max_size=40) | st.sampled_from(["κόσμε", "🔌" * 20, "x" * 125, "x" * 126, "x" * 300])
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
codes = st.sampled_from([1000, *range(1001, 1014), 3000, 4999, 0, 999, 1015, 1016, 2999, 5000, 65535])


@st.composite
def messages(draw: st.DrawFn) -> list[bytes]:
    """The frames of one good message, in fragments cut anywhere, control frames between them."""
    payload = draw(texts).encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    pieces = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    frames: list[bytes] = []
    for i, piece in enumerate(pieces):
        frames += [encoded(*control) for control in draw(st.lists(controls, max_size=2))]
        frames.append(encoded(CONTINUATION if i else TEXT, piece, final=i == len(pieces) - 1))
    return frames


@st.composite
def oddities(draw: st.DrawFn) -> list[bytes]:
    """One frame that is more likely bad than good."""
    opcode = draw(st.sampled_from([CONTINUATION, TEXT, BINARY, 3, 7, CLOSE, PING, PONG, 11, 15]))
    payloads = st.just(b"") if opcode == CLOSE else st.binary(max_size=130) | texts.map(str.encode)
    return [
        encoded(
            opcode,
            draw(payloads),
            final=draw(st.booleans()),
            reserved=draw(st.sampled_from([0, 0, 0, 1, 2, 4])),
            is_masked=draw(st.sampled_from([True, True, True, False])),
        )
    ]


closes = st.builds(
    lambda code, reason: [encoded(CLOSE, code.to_bytes(2, "big") + reason.encode())], codes, st.text(max_size=20)
)
endings: st.SearchStrategy[list[bytes]] = (
    st.just([])
    | oddities()
    | closes
    | st.just([encoded(CLOSE, b"")])
    | st.just([encoded(CLOSE, b"x")])
    | st.just([encoded(CLOSE, b"\x03\xe8\xc3")])
)


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Good messages, perhaps something odd, and a bit more; chopped at random."""
    parts = [*draw(st.lists(messages(), max_size=4)), draw(endings), *draw(st.lists(messages(), max_size=1))]
    data = b"".join(frame for part in parts for frame in part)
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if end > start]


@pytest.mark.req("WS-01", "WS-37")
@settings(max_examples=400, deadline=None)
@given(streams())
def test_wsproto_hears_the_same(chunks: list[bytes]) -> None:
    assert_agree(ours(chunks), wsproto(chunks))


@pytest.mark.req("WS-01", "WS-37")
@settings(max_examples=400, deadline=None)
@given(streams())
def test_websockets_hears_the_same(chunks: list[bytes]) -> None:
    assert_agree(ours(chunks), websockets(chunks))


@settings(max_examples=200, deadline=None)
@given(streams())
def test_where_the_bytes_are_cut_makes_no_difference(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    assert ours(chunks) == ours([data]) == ours([data[i : i + 1] for i in range(len(data))])


@pytest.mark.parametrize(("size", "width"), [(0, 2), (125, 2), (125, 8), (126, 8), (65535, 8)])
def test_lengths_that_are_not_minimal_are_refused(size: int, width: int) -> None:
    chunks = [encoded(TEXT, b"x" * size, width=width)]
    assert ours(chunks) == [(VIOLATION, 1002)]
    assert wsproto(chunks) == [(CLOSE, 1002)]
