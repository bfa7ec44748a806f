"""Every way in which a handshake can be wrong, without I/O."""

from __future__ import annotations

import base64
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd._kernel.transport.upgrade import BadUpgrade, parse_upgrade, refusal, switching_protocols, take_head
from csmsd.hookspecs import ConnectRequest

KEY = base64.b64encode(b"0123456789abcdef")
GOOD: dict[str, bytes] = {
    "Host": b"csms.example:9000",
    "Upgrade": b"websocket",
    "Connection": b"Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": b"13",
    "Sec-WebSocket-Protocol": b"ocpp1.6",
    "Authorization": b"Basic Q1AtMTpzZWNyZXQ=",
    "User-Agent": b"station/1.0",
    "Sec-WebSocket-Extensions": b"permessage-deflate",
    "X-Forwarded-For": b"10.0.0.1",
    "Content-Length": b"0",
}
NAMES = tuple(GOOD)
LISTS = ("Upgrade", "Connection", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "X-Forwarded-For")
NEEDED = ("Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")


def head(lines: list[bytes], request_line: bytes = b"GET /ocpp/CP-1 HTTP/1.1") -> bytes:
    return b"\r\n".join([request_line, *lines])


def lines_of(changes: dict[str, bytes | None] | None = None) -> list[bytes]:
    """The good headers, with some replaced, or left out (None)."""
    headers = GOOD | (changes or {})
    return [name.encode() + b": " + value for name, value in headers.items() if value is not None]


def judge(data: bytes) -> int:
    """The status that a request gets."""
    try:
        parse_upgrade(data, "127.0.0.1:1")
    except BadUpgrade as bad:
        return bad.status
    return 101


def parse(data: bytes) -> ConnectRequest:
    return parse_upgrade(data, "127.0.0.1:1")[0]


def rename(change: Callable[[str], str], name: str) -> bytes:
    return head([change(key).encode() + b":" + value if key == name else f"{key}: ".encode() + value
                 for key, value in GOOD.items()])  # fmt: skip


@pytest.mark.req("WS-01", "WS-04", "WS-22")
def test_a_good_request_is_handed_on_undecoded() -> None:
    request, key = parse_upgrade(head(lines_of(), b"GET /ocpp/A%2FB%20?x=%31 HTTP/1.1"), "[::1]:5", "ocpp_tls",
                                 is_tls=True, client_certificate=b"DER")  # fmt: skip
    assert request == ConnectRequest(
        target="/ocpp/A%2FB%20?x=%31",
        authorization=b"Basic Q1AtMTpzZWNyZXQ=",
        subprotocols=("ocpp1.6",),
        peer="[::1]:5",
        listener="ocpp_tls",
        is_tls=True,
        client_certificate=b"DER",
        user_agent="station/1.0",
    )
    assert key == KEY


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_header_is_refused_if_it_is_needed(name: str) -> None:
    assert judge(head(lines_of({name: None}))) == (400 if name in NEEDED else 101)


@pytest.mark.parametrize("name", NAMES)
def test_a_doubled_header_is_refused_unless_it_is_a_list(name: str) -> None:
    assert judge(head([*lines_of(), f"{name.upper()}: ".encode() + GOOD[name]])) == (101 if name in LISTS else 400)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [b"", b" ", b"\t"])
def test_an_empty_header_is_refused_if_it_is_needed(name: str, value: bytes) -> None:
    expected = 400 if name in (*NEEDED, "Content-Length") else 101
    assert judge(head(lines_of({name: value}))) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("byte", [0x00, 0x0A, 0x0D, 0x1B, 0x7F, 0x80, 0xE9, 0xFF])
def test_a_byte_that_is_not_printable_is_refused_in_every_value(name: str, byte: int) -> None:
    assert judge(head(lines_of({name: GOOD[name] + bytes((byte,)) + b"x"}))) == 400


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("byte", [0x00, 0x20, 0x09, 0x28, 0x2C, 0x7F, 0x80, 0xFF])
def test_a_name_that_is_no_token_is_refused(name: str, byte: int) -> None:
    assert judge(head([*lines_of(), name[:3].encode() + bytes((byte,)) + b"x: 1"])) == 400
    assert judge(head([*lines_of({name: None}), name.encode() + bytes((byte,)) + b": " + GOOD[name]])) == 400


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fold", [b" ", b"\t"])
def test_a_folded_header_is_refused(name: str, fold: bytes) -> None:
    lines = lines_of()
    lines.insert(NAMES.index(name) + 1, fold + b"more")
    assert judge(head(lines)) == 400


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", [str.lower, str.upper, str.swapcase])
def test_the_case_of_a_name_does_not_matter(name: str, change: Callable[[str], str]) -> None:
    assert judge(rename(change, name)) == 101


@pytest.mark.parametrize("name", NAMES)
def test_a_line_without_a_colon_is_refused(name: str) -> None:
    assert judge(head([*lines_of({name: None}), name.encode()])) == 400


@pytest.mark.parametrize("name", NAMES)
def test_a_header_of_sixteen_kilobytes_does_not_fit(name: str) -> None:
    buffer = bytearray(head(lines_of({name: b"x" * 16_384})) + b"\r\n\r\n")
    with pytest.raises(BadUpgrade) as caught:
        take_head(buffer, 16_384)
    assert caught.value.status == 431


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Connection", b"keep-alive, Upgrade", 101),
        ("Connection", b"upgrade", 101),
        ("Connection", b",,UPGRADE ,", 101),
        ("Connection", b"keep-alive", 400),
        ("Connection", b"Upgrades", 400),
        ("Connection", b"Upgrade;x", 400),
        ("Upgrade", b"WebSocket", 101),
        ("Upgrade", b"h2c, websocket", 101),
        ("Upgrade", b"websocket/13", 400),
        ("Upgrade", b"websockets", 400),
        ("Sec-WebSocket-Version", b"8", 426),
        ("Sec-WebSocket-Version", b"13, 8", 426),
        ("Sec-WebSocket-Version", b"013", 426),
        ("Sec-WebSocket-Version", b"+13", 426),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZQ==", 400),
        ("Sec-WebSocket-Key", base64.b64encode(bytes(17)), 400),
        ("Sec-WebSocket-Key", b"!" * 24, 400),
        ("Sec-WebSocket-Key", b"AAAAAAAAAAAAAAAAAAAAAA=A", 400),
        ("Sec-WebSocket-Key", b"AAAA AAAAAAAAAAAAAAAAA==", 400),
        ("Host", b"[::1]:9000", 101),
        ("Host", b"a b", 400),
        ("Host", b"a,b", 400),
        ("Host", b"user@a", 400),
        ("Host", b"a/b", 400),
        ("Content-Length", b"1", 400),
        ("Content-Length", b"-0", 400),
        ("Content-Length", b"00", 400),
        ("Transfer-Encoding", b"chunked", 400),
        ("Transfer-Encoding", b"identity", 400),
        ("Sec-WebSocket-Protocol", b"ocpp1.6;q=1", 400),
        ("Sec-WebSocket-Protocol", b"ocpp 1.6", 400),
        ("Sec-WebSocket-Protocol", b'"ocpp1.6"', 400),
        ("Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits", 101),
    ],
)
def test_what_a_header_may_say(name: str, value: bytes, status: int) -> None:
    assert judge(head(lines_of({name: value}))) == status


@pytest.mark.req("WS-10")
@pytest.mark.parametrize(
    ("values", "protocols"),
    [
        ([b"ocpp1.6"], ("ocpp1.6",)),
        ([b"ocpp2.0.1, ocpp1.6"], ("ocpp2.0.1", "ocpp1.6")),
        ([b"ocpp2.0.1", b"ocpp1.6"], ("ocpp2.0.1", "ocpp1.6")),
        ([b"ocpp2.0.1 ,", b",ocpp1.6,ocpp1.5"], ("ocpp2.0.1", "ocpp1.6", "ocpp1.5")),
        ([b"OCPP1.6"], ("OCPP1.6",)),
        ([b""], ()),
        ([], ()),
    ],
)
def test_all_lines_of_offered_subprotocols_are_one_list(values: list[bytes], protocols: tuple[str, ...]) -> None:
    lines = lines_of({"Sec-WebSocket-Protocol": None}) + [b"Sec-WebSocket-Protocol: " + value for value in values]
    assert parse(head(lines)).subprotocols == protocols


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /CP HTTP/1.0", 505),
        (b"GET /CP HTTP/2.0", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"POST /CP HTTP/1.1", 405),
        (b"CONNECT a:1 HTTP/1.1", 405),
        (b"get /CP HTTP/1.1", 405),
        (b"GET  /CP HTTP/1.1", 400),
        (b"GET /CP  HTTP/1.1", 400),
        (b"GET\t/CP HTTP/1.1", 400),
        (b" GET /CP HTTP/1.1", 400),
        (b"GET /CP HTTP/1.1 ", 400),
        (b"GET /C P HTTP/1.1", 400),
        (b"GET /C\xc3\xa9 HTTP/1.1", 400),
        (b"GET /C\x00 HTTP/1.1", 400),
        (b"GET /C\n HTTP/1.1", 400),
        (b"GET /CP", 400),
        (b"GET /CP HTTP/11", 400),
        (b"GET /CP http/1.1", 400),
        (b"GET CP HTTP/1.1", 400),
        (b"GET * HTTP/1.1", 400),
        (b"GET /CP#x HTTP/1.1", 400),
        (b"GET ftp://a/CP HTTP/1.1", 400),
        (b"", 400),
        (b"GET / HTTP/1.1", 101),
    ],
)
def test_what_a_request_line_may_say(line: bytes, status: int) -> None:
    assert judge(head(lines_of(), line)) == status


@pytest.mark.req("WS-04")
@pytest.mark.parametrize("prefix", [b"", b"ws://csms.example", b"WSS://csms.example:443", b"http://[::1]:80"])
def test_the_absolute_form_of_a_target_is_its_path(prefix: bytes) -> None:
    assert parse(head(lines_of(), b"GET " + prefix + b"/a//B%2f?q=%20 HTTP/1.1")).target == "/a//B%2f?q=%20"


def test_a_browser_is_told_that_there_are_no_pages() -> None:
    assert judge(head([b"Host: a", b"Accept: text/html"])) == 426


def test_too_many_lines_are_refused() -> None:
    assert judge(head([*lines_of(), *[b"X: 1"] * (64 - len(GOOD))])) == 101
    assert judge(head([*lines_of(), *[b"X: 1"] * (65 - len(GOOD))])) == 431


def test_the_target_of_a_bad_request_is_known_to_the_operator() -> None:
    with pytest.raises(BadUpgrade) as caught:
        parse(head(lines_of({"Sec-WebSocket-Version": None})))
    assert caught.value.target == "/ocpp/CP-1"


# -- the head's bytes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_head_may_arrive_in_pieces(size: int) -> None:
    data = head(lines_of()) + b"\r\n\r\n"
    buffer, heads = bytearray(), []
    for at in range(0, len(data), size):
        buffer += data[at : at + size]
        heads.append(take_head(buffer, 16_384))
    assert heads[-1] == data[:-4]
    assert not any(heads[:-1])
    assert not buffer


def test_what_follows_the_head_stays_in_the_buffer() -> None:
    buffer = bytearray(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\x81\x80....")
    assert take_head(buffer, 100) == b"GET / HTTP/1.1\r\nHost: a"
    assert buffer == b"\x81\x80...."


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"\x00", 400),
        (b"\xff\xfe", 400),
        (b"\r\n", 400),
        (b" GET", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"G" * 100, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 78 + b"\r\n\r\n", 431),
    ],
)
def test_what_cannot_become_a_head_is_refused_at_once(data: bytes, status: int) -> None:
    with pytest.raises(BadUpgrade) as caught:
        take_head(bytearray(data), 100)
    assert caught.value.status == status


# -- whatever bytes there are -----------------------------------------------------------------------------


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 20))
def test_no_bytes_in_a_good_request_make_anything_but_a_status(junk: bytes, at: int, cut: int) -> None:
    data = head(lines_of())
    judge(data[:at] + junk + data[at + cut :])


@given(st.sampled_from(NAMES), st.binary(max_size=60))
def test_a_value_is_taken_as_it_is_or_refused(name: str, value: bytes) -> None:
    if judge(head(lines_of({name: value}))) == 101:
        assert value.isascii()
        assert all(byte == 9 or 32 <= byte < 127 for byte in value)


@given(st.text(string.printable, max_size=60))
def test_nothing_of_a_request_comes_back(text: str) -> None:
    marker = "hunt er" + text
    for data in (head([*lines_of(), marker.encode()]), head(lines_of(), marker.encode())):
        with pytest.raises(BadUpgrade) as caught:
            parse(data)
        assert b"hunt" not in refusal(caught.value.status, caught.value.cause)


# -- answers ----------------------------------------------------------------------------------------------


@pytest.mark.req("WS-10", "WS-38")
def test_the_answer_names_the_subprotocol_and_no_extension() -> None:
    answer = switching_protocols(b"dGhlIHNhbXBsZSBub25jZQ==")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer  # the example of RFC 6455
    assert b"Sec-WebSocket-Protocol: ocpp1.6\r\n" in answer
    assert b"xtensions" not in answer


@pytest.mark.req("WS-11")
def test_the_answer_without_a_subprotocol_names_none() -> None:
    assert b"Protocol:" not in switching_protocols(KEY, with_subprotocol=False)


@pytest.mark.req("WS-21", "WS-14")
def test_401_asks_for_basic_credentials_and_says_nothing_else() -> None:
    answer = refusal(401, realm='my "realm"')
    assert b'WWW-Authenticate: Basic realm="my \\"realm\\""\r\n' in answer
    assert answer == refusal(401, realm='my "realm"')


@pytest.mark.req("WS-42")
def test_503_says_when_to_come_back() -> None:
    assert b"\r\nRetry-After: 30\r\n" in refusal(503, retry_after=30)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 426, 429, 431, 500, 503, 505])
def test_every_refusal_is_a_whole_answer_with_one_line_of_plain_words(status: int) -> None:
    top, _, body = refusal(status).partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Length: %d\r\n" % len(body) in top
    assert top.endswith(b"close")
    assert body.count(b"\n") == 1
    assert len(body) > 5


def test_426_names_what_to_upgrade_to() -> None:
    assert b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" in refusal(426)
