"""Which addresses webhooks may reach: a table, all of what is special, and names that change their minds."""

from __future__ import annotations

import ipaddress
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from csmsd_events.addresses import ForbiddenAddress, Policy, is_internet
from csmsd_events.sending import InvalidUrl, Sender, Unreachable, resolve, target_of
from tests.plugins.events.receiver import open_receiver

INTERNET = Policy()
FORBIDDEN = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:10.0.0.1"),
    *("64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::"),
    *("2002:a00:1::1", "2002:c0a8:101::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
    *("3fff::1", "5f00::1", "nonsense", "", "127.1", "0x7f000001", "2130706433", "::ffff:7f00:1"),
]
ALLOWED = ["93.184.216.34", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450::1", "64:ff9b::1.1.1.1"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_is_not_the_internet_is_out_of_reach(address: str) -> None:
    assert not INTERNET.allows(address, is_tls=True)
    assert not INTERNET.allows(address, is_tls=False)


@pytest.mark.parametrize("address", ALLOWED)
def test_the_internet_is_reached_over_tls_only(address: str) -> None:
    assert INTERNET.allows(address, is_tls=True)
    assert not INTERNET.allows(address, is_tls=False)


SPECIAL_4 = [
    ip_network(text) for text in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
]


@given(st.sampled_from(SPECIAL_4).flatmap(lambda network: st.ip_addresses(network=network)))
def test_no_clothes_hide_a_private_address(inner: IPv4Address) -> None:
    number = int(inner)
    for address in (
        inner,
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0xFFFF << 48 | number),
        IPv6Address(number),
        IPv6Address(0x64_FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80 | 1),
    ):
        assert not is_internet(address)
        assert not INTERNET.allows(str(address), is_tls=True)


@given(st.ip_addresses())
def test_nothing_is_allowed_that_python_calls_special(address: IPv4Address | IPv6Address) -> None:
    if INTERNET.allows(str(address), is_tls=True):
        kinds = (address.is_private, address.is_loopback, address.is_link_local, address.is_multicast)
        assert not any(kinds)
        assert not (address.is_reserved and not isinstance(address, IPv6Address))


@given(st.ip_addresses(v=4))
def test_the_common_internet_is_allowed(address: IPv4Address) -> None:
    special = [ip_network("192.88.99.0/24"), ip_network("192.0.0.0/24")]  # relays and protocols, not hosts
    if address.is_global and not address.is_multicast and not any(address in network for network in special):
        assert INTERNET.allows(str(address), is_tls=True)


def test_internal_networks_are_what_the_operator_says() -> None:
    policy = Policy([ip_network("10.1.0.0/16"), ip_network("fd00::/8")])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1"):
        assert policy.allows(address, is_tls=True)
        assert policy.allows(address, is_tls=False)
    for address in ("10.2.0.1", "127.0.0.1", "169.254.169.254", "fc00::1"):
        assert not policy.allows(address, is_tls=True)
    assert policy.select("x", ["10.2.0.1", "10.1.0.1", "10.1.0.1"], is_tls=True) == ["10.1.0.1"]
    with pytest.raises(ForbiddenAddress, match="x is at no address"):
        policy.select("x", [], is_tls=True)


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """DNS rebinding: asked twice, a name may be somewhere else; here it is asked once for each connection."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    policy = Policy([ip_network("127.0.0.2/32")])
    async with open_receiver() as receiver:
        url = f"http://rebind.example:{receiver.port}/"
        async with Sender(
            url, policy, tls=ssl.create_default_context(), timeout=5, at_once=1, resolver=rebinding
        ) as sender:
            with pytest.raises(Unreachable, match="ConnectError"):
                await sender.post({}, b"{}")  # to 127.0.0.2, where nobody is
            assert asked == ["rebind.example"]
            with pytest.raises(Unreachable, match=r"rebind\.example is at 127.0.0.1"):
                await sender.post({}, b"{}")
        assert receiver.connections == 0


async def test_the_first_address_that_answers_is_used() -> None:
    async def several(host: str, port: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        return ["10.0.0.1", "127.0.0.3", "127.0.0.1"]

    policy = Policy([ip_network("127.0.0.0/8")])
    async with open_receiver() as receiver:
        url = f"http://several.example:{receiver.port}/"
        async with Sender(
            url, policy, tls=ssl.create_default_context(), timeout=5, at_once=1, resolver=several
        ) as sender:
            assert (await sender.post({}, b"{}")).status == 204
            assert (await sender.post({}, b"{}")).status == 204
        assert receiver.connections == 1  # kept alive
        assert receiver.received[0].headers["host"] == f"several.example:{receiver.port}"


async def test_a_receiver_that_says_nothing_is_given_up_in_time() -> None:
    async def silent(_: object) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    policy = Policy([ip_network("127.0.0.0/8")])
    async with (
        open_receiver(silent) as receiver,
        Sender(receiver.url, policy, tls=ssl.create_default_context(), timeout=0.2, at_once=1) as sender,
    ):
        began = trio.current_time()
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            await sender.post({}, b"{}")
        assert trio.current_time() - began < 2


async def test_numbers_in_disguise_are_resolved_before_they_are_judged() -> None:
    for host in ("2130706433", "127.1", "0x7f000001", "localhost"):
        found = await resolve(host, 80)
        assert all(ipaddress.ip_address(each).is_loopback for each in found)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_urls(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        try:
            target = target_of(url)
        except InvalidUrl:
            continue
        assert target.host
        assert "\n" not in target.path
        assert " " not in target.path


def test_an_address_in_a_url_keeps_its_brackets_apart() -> None:
    target = target_of("https://[2606:2800::1]:8443/a?b=c")
    assert (target.host, target.port, target.path, target.is_tls) == ("2606:2800::1", 8443, "/a?b=c", True)
    assert ip_address(target.host).version == 6
