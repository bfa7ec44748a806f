"""301 cases of RFC 6455, written from the RFC under the numbers of the well-known public test suite.

Groups 1 to 7, 9 and 10; 12 and 13 are about compression, which csmsd declines. OCPP-J is text, so wherever the
numbered case sends a binary message the right answer is close code 1003 (WS-37).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, pairwise
from typing import Any, Literal

import pytest

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
BackendName = Literal["reactor", "trio_ws"]
Answer = tuple[int, bytes | int]
Script = Callable[[], Iterable[bytes]]
MASK = b"\x37\xfa\x21\x3d"
KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Case:
    number: str
    script: Script  # each element is one write
    answers: tuple[Answer, ...]  # and nothing else, then the end of the stream
    tolerated: tuple[tuple[Answer, ...], ...] = ()  # legal, but not the best: non-strict
    rest: tuple[bytes, ...] = ()  # sent only if the server has not failed the connection by then, which is not strict
    is_dialogue: bool = False  # one answer is awaited after each write
    is_ours_to_close: bool = True  # the case leaves the connection alive: close it when the answers are here


def masked(opcode: int, payload: bytes = b"", *, final: bool = True, reserved: int = 0) -> bytes:
    size = len(payload)
    head = bytes((final << 7 | reserved << 4 | opcode,))
    if size < 126:
        head += bytes((128 | size,))
    elif size < 65536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    key = int.from_bytes((MASK * (size // 4 + 1))[:size], "big")
    return head + MASK + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def fragments(opcode: int, pieces: Iterable[bytes]) -> list[bytes]:
    whole = list(pieces)
    last = len(whole) - 1
    return [masked(CONTINUATION if i else opcode, piece, final=i == last) for i, piece in enumerate(whole)]


def chopped(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def closing(code: int, reason: bytes = b"") -> bytes:
    return masked(CLOSE, code.to_bytes(2, "big") + reason)


def writes(data: Iterable[bytes]) -> Script:
    return lambda: data


def alive(number: str, script: Script, *answers: Answer) -> Case:
    return Case(number, script, answers)


def ended(number: str, script: Script, *answers: Answer, tolerated: tuple[tuple[Answer, ...], ...] = ()) -> Case:
    return Case(number, script, answers, tolerated, is_ours_to_close=False)


def failed(number: str, script: Script, code: int, *echoes: Answer) -> Case:
    """A violation, after good messages whose echoes may get lost with the connection."""
    tolerated = (((CLOSE, code),),) if echoes else ()
    return ended(number, script, *echoes, (CLOSE, code), tolerated=tolerated)


def three_ways(numbers: Iterator[int], group: str, frames: list[bytes]) -> Iterator[tuple[str, Script]]:
    """In one write, one write for each frame, one for each byte."""
    for data in ([b"".join(frames)], frames, chopped(b"".join(frames), 1)):
        yield f"{group}.{next(numbers)}", writes(data)


def framing() -> Iterator[Case]:
    sizes = (0, 125, 126, 127, 128, 65535, 65536, 65536)
    for i, size in enumerate(sizes, 1):
        text = b"*" * size
        chop = 997 if i == len(sizes) else 1 << 30
        yield alive(f"1.1.{i}", writes(chopped(masked(TEXT, text), chop)), (TEXT, text))
        binary = b"\xfe" * size
        yield failed(f"1.2.{i}", writes(chopped(masked(BINARY, binary), chop)), 1003)


def pings() -> Iterator[Case]:
    octets = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    for i, payload in enumerate((b"", b"Hello, world!", octets, b"\xfe" * 125), 1):
        yield alive(f"2.{i}", writes([masked(PING, payload)]), (PONG, payload))
    yield failed("2.5", writes([masked(PING, b"\xfe" * 126)]), 1002)
    yield alive("2.6", writes(chopped(masked(PING, b"\xfe" * 125), 1)), (PONG, b"\xfe" * 125))
    yield alive("2.7", writes([masked(PONG)]))
    yield alive("2.8", writes([masked(PONG, b"unsolicited")]))
    yield alive("2.9", writes([masked(PONG, b"unsolicited"), masked(PING, b"ping")]), (PONG, b"ping"))
    ten = [b"payload-%d" % i for i in range(10)]
    pongs: list[Answer] = [(PONG, payload) for payload in ten]
    yield alive("2.10", writes([masked(PING, payload) for payload in ten]), *pongs)
    yield alive("2.11", writes(chopped(b"".join(masked(PING, payload) for payload in ten), 1)), *pongs)


def reserved_bits() -> Iterator[Case]:
    hello = masked(TEXT, b"Hello, world!")
    echo = (TEXT, b"Hello, world!")
    yield failed("3.1", writes([masked(TEXT, b"Hello, world!", reserved=1)]), 1002)
    for bits in (2, 3, 4):
        frames = [hello, masked(TEXT, b"Hello, world!", reserved=bits), masked(PING)]
        data = {2: [b"".join(frames)], 3: frames, 4: chopped(b"".join(frames), 1)}[bits]
        yield failed(f"3.{bits}", writes(data), 1002, echo)
    yield failed("3.5", writes([masked(BINARY, b"\xff" * 8, reserved=5)]), 1002)
    yield failed("3.6", writes([masked(PING, b"Hello, world!", reserved=6)]), 1002)
    yield failed("3.7", writes([masked(CLOSE, reserved=7)]), 1002)


def reserved_opcodes() -> Iterator[Case]:
    echo = (TEXT, b"Hello, world!")
    for group, opcode in (("4.1", 3), ("4.2", 11)):
        yield failed(f"{group}.1", writes([masked(opcode)]), 1002)
        yield failed(f"{group}.2", writes([masked(opcode + 1, b"reserved")]), 1002)
        for i, payload in ((3, b""), (4, b"reserved"), (5, b"reserved")):
            frames = [masked(TEXT, b"Hello, world!"), masked(opcode + i - 1, payload), masked(PING)]
            data = chopped(b"".join(frames), 1) if i == 5 else frames
            yield failed(f"{group}.{i}", writes(data), 1002, echo)


def fragmentation() -> Iterator[Case]:
    two = fragments(TEXT, (b"fragment1", b"fragment2"))
    joined = (TEXT, b"fragment1fragment2")
    for i, opcode in enumerate((PING, PONG), 1):
        yield failed(f"5.{i}", writes(fragments(opcode, (b"one", b"two"))), 1002)
    numbers = count(3)
    for number, script in three_ways(numbers, "5", two):
        yield alive(number, script, joined)
    for number, script in three_ways(numbers, "5", [two[0], masked(PING, b"ping"), two[1]]):
        yield alive(number, script, (PONG, b"ping"), joined)
    stray = masked(CONTINUATION, b"stray")
    open_stray = masked(CONTINUATION, b"stray", final=False)
    for number, script in three_ways(numbers, "5", [stray, masked(TEXT, b"Hello")]):
        yield failed(number, script, 1002)
    for number, script in three_ways(numbers, "5", [open_stray, masked(TEXT, b"Hello")]):
        yield failed(number, script, 1002)
    yield failed("5.15", writes([b"".join([*two, open_stray, masked(TEXT, b"Hello")])]), 1002, joined)
    for number, first in (("5.16", open_stray), ("5.17", stray)):
        yield failed(number, writes([first, *two] * 2), 1002)
    yield failed("5.18", writes([two[0], masked(TEXT, b"fragment2")]), 1002)
    pieces = [b"fragment%d" % i for i in range(1, 6)]
    five = fragments(TEXT, pieces)
    talk = [*five[:2], masked(PING, b"one"), *five[2:4], masked(PING, b"two"), five[4]]
    answers: tuple[Answer, ...] = ((PONG, b"one"), (PONG, b"two"), (TEXT, b"".join(pieces)))
    yield alive("5.19", writes(talk), *answers)
    yield alive("5.20", writes(chopped(b"".join(talk), 1)), *answers)


COSME = bytes.fromhex("cebae1bdb9cf83cebcceb5")  # with a character of three bytes


def utf8_handling() -> Iterator[Case]:
    yield alive("6.1.1", writes([masked(TEXT)]), (TEXT, b""))
    yield alive("6.1.2", writes(fragments(TEXT, (b"", b"", b""))), (TEXT, b""))
    yield alive("6.1.3", writes(fragments(TEXT, (b"", b"middle", b""))), (TEXT, b"middle"))
    hello = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield alive("6.2.1", writes([masked(TEXT, hello)]), (TEXT, hello))
    yield alive("6.2.2", writes(fragments(TEXT, (hello[:12], hello[12:]))), (TEXT, hello))
    yield alive("6.2.3", writes(fragments(TEXT, chopped(hello, 1))), (TEXT, hello))
    yield alive("6.2.4", writes(fragments(TEXT, chopped(COSME, 1))), (TEXT, COSME))
    bad = COSME + b"\xed\xa0\x80edited"
    yield failed("6.3.1", writes([masked(TEXT, bad)]), 1007)
    yield failed("6.3.2", writes(fragments(TEXT, chopped(bad, 1))), 1007)
    # Fail fast: a strict server does not wait for the rest of what is wrong already.
    after = (COSME + b"\xf4\x90\x80\x80", b"edited")
    inside = (COSME + b"\xf4", b"\x90", b"\x80\x80edited")
    fast: tuple[Answer, ...] = ((CLOSE, 1007),)
    for i, pieces, sent in ((1, after, 1), (2, inside, 2)):
        frames, whole = fragments(TEXT, pieces), masked(TEXT, b"".join(pieces))
        size = 6 + len(b"".join(pieces[:sent]))
        for number, early, late in ((i, frames[:sent], frames[sent:]), (i + 2, [whole[:size]], [whole[size:]])):
            yield Case(f"6.4.{number}", writes(early), fast, rest=tuple(late), is_ours_to_close=False)


def lonely_starts(first: int, past: int) -> bytes:
    return b"".join(bytes((start, 0x20)) for start in range(first, past))


CUT_SHORT = ("c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf")
SEQUENCES: tuple[tuple[bytes, ...], ...] = (
    (b"hello$world", "hello¢world".encode(), "hello€world".encode(), "hello𤭢world".encode(), COSME),
    tuple(COSME[:size] for size in range(1, len(COSME) + 1)),
    tuple(map(bytes.fromhex, ("00", "c280", "e0a080", "f0908080"))),
    tuple(map(bytes.fromhex, ("f888808080", "fc8480808080"))),
    tuple(map(bytes.fromhex, ("7f", "dfbf", "efbfbf", "f48fbfbf"))),
    tuple(map(bytes.fromhex, ("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"))),
    tuple(map(bytes.fromhex, ("ed9fbf", "ee8080", "efbfbd", "f48fbfbf", "f4908080"))),
    (b"\x80", b"\xbf", *((b"\x80\xbf" * 3)[:size] for size in range(2, 7)), bytes(range(0x80, 0xC0))),
    tuple(lonely_starts(*pair) for pair in pairwise((0xC0, 0xE0, 0xF0, 0xF8, 0xFC, 0xFE))),
    tuple(map(bytes.fromhex, CUT_SHORT)),
    (bytes.fromhex("".join(CUT_SHORT)),),
    (b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"),
    tuple(map(bytes.fromhex, ("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"))),
    tuple(map(bytes.fromhex, ("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"))),
    tuple(map(bytes.fromhex, ("c080", "e08080", "f0808080", "f880808080", "fc8080808080"))),
    tuple(map(bytes.fromhex, ("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"))),
    tuple(
        bytes.fromhex(high + low) for high in ("eda080", "edadbf", "edae80", "edafbf") for low in ("edb080", "edbfbf")
    ),
    tuple(chr(plane << 16 | last).encode() for plane in range(17) for last in (0xFFFE, 0xFFFF)),
    tuple(chr(point).encode() for point in range(0xFFF9, 0x10000)),
)


def is_text(payload: bytes) -> bool:
    try:
        return payload.decode() is not None
    except UnicodeDecodeError:
        return False


def utf8_sequences() -> Iterator[Case]:
    for group, sequences in enumerate(SEQUENCES, 5):
        for i, payload in enumerate(sequences, 1):
            number, script = f"6.{group}.{i}", writes([masked(TEXT, payload)])
            yield alive(number, script, (TEXT, payload)) if is_text(payload) else failed(number, script, 1007)


def closes() -> Iterator[Case]:
    bye, hello, echo = closing(1000), masked(TEXT, b"Hello"), (TEXT, b"Hello")
    done: Answer = (CLOSE, 1000)
    yield alive("7.1.1", writes([hello]), echo)
    for number, after in (("7.1.2", bye), ("7.1.3", masked(PING)), ("7.1.4", hello)):
        yield ended(number, writes([bye, after]), done)
    two = fragments(TEXT, (b"fragment1", b"fragment2"))
    yield ended("7.1.5", writes([two[0], bye, two[1]]), done)
    large = b"*" * 256 * KIB
    yield ended("7.1.6", writes([masked(TEXT, large), bye, masked(PING)]), (TEXT, large), done, tolerated=((done,),))
    yield ended("7.3.1", writes([masked(CLOSE)]), (CLOSE, 1005), tolerated=((done,),))
    yield failed("7.3.2", writes([masked(CLOSE, b"a")]), 1002)
    for i, reason in enumerate((b"", b"Hello, world!", b"*" * 123), 3):
        yield ended(f"7.3.{i}", writes([closing(1000, reason)]), done)
    yield failed("7.3.6", writes([closing(1000, b"*" * 124)]), 1002)
    yield failed("7.5.1", writes([closing(1000, COSME + b"\xed\xa0\x80edited")]), 1007)
    valid = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for i, code in enumerate(valid, 1):
        yield ended(f"7.7.{i}", writes([closing(code)]), (CLOSE, code), tolerated=((done,),))
    for i, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield failed(f"7.9.{i}", writes([closing(code)]), 1002)
    for i, code in enumerate((5000, 65535), 1):
        yield ended(f"7.13.{i}", writes([closing(code)]), (CLOSE, 1002), tolerated=(((CLOSE, code),),))


FOUR_MIB, ONE_MIB = b"*" * (4 * MIB), b"*" * MIB


def whole(opcode: int, size: int) -> list[bytes]:
    return [masked(opcode, b"*" * size)]


def in_fragments(opcode: int, size: int) -> list[bytes]:
    return [b"".join(fragments(opcode, chopped(FOUR_MIB, size)))]


def in_chops(opcode: int, size: int) -> list[bytes]:
    return chopped(masked(opcode, ONE_MIB), size)


def thousandfold(opcode: int, size: int) -> list[bytes]:
    return whole(opcode, size) * 1000


def endurance() -> Iterator[Case]:
    """9.x: every second subgroup sends binary and is over with its first frame. Built when run: 200 MiB in all."""
    for i, size in enumerate((64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB), 1):
        yield alive(f"9.1.{i}", partial(whole, TEXT, size), (TEXT, b"*" * size))
        yield failed(f"9.2.{i}", partial(whole, BINARY, size), 1003)
    for i, size in enumerate((64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB), 1):
        yield alive(f"9.3.{i}", partial(in_fragments, TEXT, size), (TEXT, FOUR_MIB))
        yield failed(f"9.4.{i}", partial(in_fragments, BINARY, size), 1003)
    for i, size in enumerate((64, 128, 256, 512, KIB, 2 * KIB), 1):
        yield alive(f"9.5.{i}", partial(in_chops, TEXT, size), (TEXT, ONE_MIB))
        yield failed(f"9.6.{i}", partial(in_chops, BINARY, size), 1003)
    for i, size in enumerate((0, 16, 64, 256, KIB, 4 * KIB), 1):
        echoes: tuple[Answer, ...] = ((TEXT, b"*" * size),) * 1000
        yield Case(f"9.7.{i}", partial(thousandfold, TEXT, size), echoes, is_dialogue=True)
        yield failed(f"9.8.{i}", partial(thousandfold, BINARY, size), 1003)


def auto_fragmentation() -> Iterator[Case]:
    text = b"*" * 65536
    yield alive("10.1.1", writes(fragments(TEXT, chopped(text, 1300))), (TEXT, text))


CASES = [
    *framing(), *pings(), *reserved_bits(), *reserved_opcodes(), *fragmentation(), *utf8_handling(),
    *utf8_sequences(), *closes(), *endurance(), *auto_fragmentation(),
]  # fmt: skip

NUMBERS = [case.number for case in CASES]
# Legal but not strict: trio-websocket is given whole frames, so it cannot fail in the middle of one.
NON_STRICT: dict[BackendName, frozenset[str]] = {"reactor": frozenset(), "trio_ws": frozenset(("6.4.3", "6.4.4"))}
PATIENCE = 0.5  # seconds
OVER_TLS = [case for case in CASES if case.number.startswith(("1.1.", "2.", "5.", "6.4.", "7.1.", "9.1.", "10."))]


def talk(case: Case, client: Any) -> Iterator[Answer | None]:
    """The answers to the script, and to our goodbye if the conversation is still alive."""
    if case.is_dialogue:
        for data in case.script():
            client.send([data])
            yield client.read()
    else:
        client.send(case.script())
    if case.is_ours_to_close:
        for _ in case.answers if not case.is_dialogue else ():
            yield client.read()
        client.send([closing(1000)])
        assert client.read() == (CLOSE, 1000), "the answer to our close"
        client.leave()


def outcome(case: Case, client: Any) -> tuple[Answer | None, ...]:
    """All that the server says until the end of the stream."""
    received = list(talk(case, client))
    while (answer := client.read()) is not None:
        received.append(answer)
        if answer[0] == CLOSE:
            client.leave()
    return tuple(received)


def assert_conforms(case: Case, backend: BackendName, client: Any) -> None:
    is_strict = True
    if case.rest:
        client.send(case.script())
        is_strict = client.hears_within(PATIENCE)
        case = replace(case, script=writes([] if is_strict else case.rest))
    answers = outcome(case, client)
    if answers != case.answers:
        is_strict = False
        assert answers in case.tolerated, f"{answers!r:.300}"
    assert is_strict or case.number in NON_STRICT[backend], f"{case.number} is not strict"


@pytest.mark.req("WS-32", "WS-37", "WS-38")
@pytest.mark.parametrize("backend", ["reactor", "trio_ws"])
@pytest.mark.parametrize("case", CASES, ids=NUMBERS)
def test_a_backend_speaks_rfc_6455(case: Case, backend: BackendName, echo_server: Any) -> None:
    with echo_server(backend, False).connect() as client:
        assert_conforms(case, backend, client)


@pytest.mark.req("WS-01")
@pytest.mark.parametrize("backend", ["reactor", "trio_ws"])
@pytest.mark.parametrize("case", OVER_TLS, ids=[case.number for case in OVER_TLS])
def test_a_backend_speaks_rfc_6455_over_tls(case: Case, backend: BackendName, echo_server: Any) -> None:
    with echo_server(backend, True).connect() as client:
        assert_conforms(case, backend, client)


def test_the_list_is_complete() -> None:
    groups: dict[str, int] = {}
    for number in NUMBERS:
        groups[number.split(".")[0]] = groups.get(number.split(".")[0], 0) + 1
    assert groups == {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1}
    assert len(set(NUMBERS)) == 301
