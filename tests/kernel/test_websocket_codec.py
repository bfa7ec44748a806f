"""The codec alone: what the oracles cannot say about limits, cost and the fast path."""

from __future__ import annotations

import time
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd._kernel.transport.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    VIOLATION,
    Codec,
    Event,
    close_frame,
    frame,
)

MASK = b"\xa5\x01\xff\x7e"


def masked(opcode: int, payload: bytes = b"", *, final: bool = True, reserved: int = 0) -> bytes:
    size = len(payload)
    width = 0 if size < 126 else 2 if size < 65536 else 8
    length = bytes((128 | {0: size, 2: 126, 8: 127}[width],)) + (size.to_bytes(width, "big") if width else b"")
    key = int.from_bytes((MASK * (size // 4 + 1))[:size], "big")
    body = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
    return bytes((final << 7 | reserved << 4 | opcode,)) + length + MASK + body


def violation(codec: Codec, data: bytes) -> int:
    """The close code that is the only answer to `data`."""
    (event,) = codec.feed(data)
    assert event.opcode == VIOLATION
    return event.code


@pytest.mark.req("WS-36")
@given(st.text(max_size=300))
def test_a_whole_message_takes_the_fast_path_and_means_the_same_on_the_slow_one(text: str) -> None:
    data = masked(TEXT, text.encode())
    assert Codec().feed(data) == [Event(TEXT, text.encode())]
    assert Codec().single(data) == (text.encode() or None)


@pytest.mark.req("WS-37")
@pytest.mark.parametrize(
    "data",
    [
        masked(TEXT, b"a") + masked(PING),
        masked(TEXT, b"ab")[:-1],
        masked(TEXT, b"a", final=False),
        masked(TEXT, b"a", reserved=4),
        masked(BINARY, b"a"),
        masked(TEXT, b"\xff\xfe"),
        b"\x81\x01a" + b"a" * 6,  # not masked
        b"\x81\xfe\x00\x05" + MASK + b"aaaaa",  # not minimal
        masked(TEXT, b"x" * 65536),
    ],
)
def test_the_fast_path_declines_whatever_is_not_one_whole_good_message(data: bytes) -> None:
    assert Codec().single(data) is None


def test_the_fast_path_declines_while_something_is_unfinished() -> None:
    whole = masked(TEXT, b"whole")
    for beginning in (masked(TEXT, b"a", final=False), masked(TEXT, b"ab")[:-1], b"\x81", masked(CLOSE)):
        codec = Codec()
        codec.feed(beginning)
        assert codec.single(whole) is None


@pytest.mark.req("WS-36")
def test_a_message_of_exactly_the_limit_passes_and_one_byte_more_is_1009() -> None:
    limit = 1000
    for codec, data in ((Codec(limit), masked(TEXT, b"x" * limit)), (Codec(), masked(TEXT, b"x" * (1 << 20)))):
        assert [event.opcode for event in codec.feed(data)] == [TEXT]
    assert Codec(limit).single(masked(TEXT, b"x" * (limit + 1))) is None
    assert violation(Codec(limit), masked(TEXT, b"x" * (limit + 1))) == 1009
    codec = Codec(limit)
    codec.feed(masked(TEXT, b"x" * limit, final=False))
    assert violation(codec, masked(CONTINUATION, b"x")) == 1009


@pytest.mark.req("WS-36")
def test_a_length_beyond_the_limit_is_refused_before_the_payload_arrives() -> None:
    assert violation(Codec(), b"\x81\xff" + (1 << 62).to_bytes(8, "big")) == 1009
    assert violation(Codec(), b"\x81\xff" + (1 << 63).to_bytes(8, "big")) == 1002


@pytest.mark.req("WS-36")
def test_fragments_are_counted_even_if_they_are_empty() -> None:
    codec = Codec(max_fragments=64)
    assert codec.feed(masked(TEXT, final=False) + masked(CONTINUATION, final=False) * 62) == []
    assert codec.feed(masked(CONTINUATION)) == [Event(TEXT, b"")]
    codec.feed(masked(TEXT, final=False) + masked(CONTINUATION, final=False) * 63)
    assert violation(codec, masked(CONTINUATION)) == 1009


@pytest.mark.req("WS-32")
def test_control_frames_pass_between_fragments() -> None:
    data = masked(TEXT, b"one", final=False) + masked(PING, b"p") + masked(PONG, b"q") + masked(CONTINUATION, b"two")
    assert Codec().feed(data) == [Event(PING, b"p"), Event(PONG, b"q"), Event(TEXT, b"onetwo")]


@pytest.mark.req("WS-37")
def test_bad_utf8_is_found_with_the_byte_that_makes_it_bad() -> None:
    for good, bad in (
        (b"\xce\xba\xf4", b"\x90"),
        (b"\xed", b"\xa0"),
        (b"", b"\xc0"),
        (b"\xe0", b"\x80"),
        (b"a", b"\xff"),
    ):
        codec = Codec()
        size = len(good + bad)
        assert codec.feed(masked(TEXT, good + bad + b"rest")[: 6 + size - 1]) == []
        assert violation(codec, masked(TEXT, good + bad + b"rest")[6 + size - 1 : 6 + size]) == 1007


@pytest.mark.req("WS-37")
def test_a_binary_frame_is_refused_by_its_head() -> None:
    assert violation(Codec(), masked(BINARY, b"x" * 100)[:2]) == 1003


def test_nothing_is_heard_after_a_close_or_a_violation() -> None:
    for end in (masked(CLOSE, b"\x03\xe8"), masked(3)):
        codec = Codec()
        events = codec.feed(end + masked(TEXT, b"late"))
        assert [event.opcode for event in events] in ([CLOSE], [VIOLATION])
        assert codec.is_over
        assert codec.feed(masked(TEXT, b"later")) == []


def test_a_close_says_its_code_and_reason() -> None:
    reason = "Wartung ü"
    (event,) = Codec().feed(masked(CLOSE, b"\x03\xe9" + reason.encode()))
    assert (event.code, event.reason) == (1001, reason)
    assert [event.code for event in Codec().feed(masked(CLOSE))] == [1005]


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_good_close_codes(code: int) -> None:
    (event,) = Codec().feed(masked(CLOSE, code.to_bytes(2, "big")))
    assert (event.opcode, event.code) == (CLOSE, code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_bad_close_codes(code: int) -> None:
    assert violation(Codec(), masked(CLOSE, code.to_bytes(2, "big"))) == 1002


def test_whether_something_is_unfinished_is_known() -> None:
    codec = Codec()
    assert codec.is_between_frames
    for data, is_between in (
        (masked(TEXT, b"a", final=False), False),
        (masked(PING), False),
        (masked(CONTINUATION), True),
        (b"\x81", False),
        (masked(TEXT, b"ab")[1:], True),
    ):
        codec.feed(data)
        assert codec.is_between_frames is is_between


def test_frames_are_counted_whatever_they_are() -> None:
    codec = Codec()
    codec.feed(masked(TEXT, final=False) + masked(CONTINUATION, final=False) + masked(PING) + masked(CONTINUATION))
    assert codec.frames == 4


def seconds_for(size: int) -> float:
    """Of processor time for a message of so many bytes in pieces of a KiB."""
    data = masked(TEXT, b"x" * size)
    pieces = [data[start : start + 1024] for start in range(0, len(data), 1024)]
    best = float("inf")
    for _ in range(3):
        codec = Codec(size)
        began = time.process_time()
        for piece in pieces:
            codec.feed(piece)
        best = min(best, time.process_time() - began)
        assert codec.is_between_frames
    return best


@pytest.mark.req("WS-36")
def test_the_cost_of_a_message_in_pieces_is_linear() -> None:
    assert seconds_for(8 << 20) < 16 * seconds_for(1 << 20)  # 8 if linear, 64 if quadratic


@pytest.mark.req("WS-36")
def test_memory_is_bounded_by_the_limits() -> None:
    codec = Codec(max_message=1 << 20, max_fragments=1 << 12)
    piece = masked(CONTINUATION, "語".encode() * 100, final=False)
    tracemalloc.start()
    try:
        codec.feed(masked(TEXT, final=False))
        for _ in range(3000):
            codec.feed(piece)
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert size < 1.3 * (1 << 20)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_no_bytes_whatever_raise_anything(data: bytes, cuts: list[int]) -> None:
    codec = Codec(1000, 4)
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        codec.feed(data[start:end])


@pytest.mark.parametrize(("size", "head"), [(125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_our_frames_have_the_shortest_length(size: int, head: int) -> None:
    assert len(frame(TEXT, b"x" * size)) == head + size


def test_a_long_reason_is_cut_between_characters() -> None:
    data = close_frame(1008, "ü" * 100)
    assert data[1] == 2 + 122
    assert data[4:].decode() == "ü" * 61
