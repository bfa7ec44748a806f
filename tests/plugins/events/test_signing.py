"""Signatures: the vector of Standard Webhooks, and what a secret may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd_events.signing import key_of, new_secret, signed_headers
from tests.plugins.events.receiver import Received, is_signed


def test_the_vector_of_standard_webhooks() -> None:
    """From the specification's own test suite."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(max_size=200), st.integers(0, 2**33), st.from_regex(r"[0-9]{1,9}-[0-9]{13}", fullmatch=True))
def test_a_change_of_one_byte_breaks_the_signature(body: bytes, timestamp: int, event_id: str) -> None:
    secret = new_secret(bytes)
    request = Received("", signed_headers(key_of(secret), event_id, timestamp, body), body, 0.0)
    assert is_signed(request, secret)
    assert not is_signed(request, new_secret(lambda size: b"\1" * size))
    request.body += b" "
    assert not is_signed(request, secret)
    request.body = body
    request.headers["webhook-timestamp"] = str(timestamp + 1)
    assert not is_signed(request, secret)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with whsec_"),
        ("whsec_MfKQ", "24 to 64 octets, not 3"),
        ("whsec_" + "QUFB" * 30, "24 to 64 octets, not 90"),
        ("whsec_!!!!", "is no base64"),
    ],
)
def test_a_bad_secret_is_refused_and_not_repeated(secret: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        key_of(secret)
    assert secret not in str(caught.value)
