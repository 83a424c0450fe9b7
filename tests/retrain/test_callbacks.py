"""Where a callback may go."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain.receiving import settings
from trainyard.host.retrain.notices.callbacks import CallbackRefused, check_callback, is_public


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "localhost.", "0.0.0.0", "10.1.2.3", "172.16.0.1",
        "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "224.0.0.1",
        "255.255.255.255", "240.0.0.1",
        # other spellings of 127.0.0.1 and 169.254.169.254
        "2130706433", "0x7f.1", "017700000001", "127.1", "0xa9fea9fe",
        "[::1]", "[::]", "[fe80::1]", "[fd00:ec2::254]", "[ff02::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]",
        "[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::1]", "[::127.0.0.1]",
    ],
)  # fmt: skip
def test_hosts_of_the_own_network_are_refused(host: str) -> None:
    with pytest.raises(CallbackRefused) as caught:
        check_callback(f"http://{host}:8080/x?key=hidden", settings())
    assert caught.value.http_status == 422
    assert "RETRAIN_CALLBACKS" in str(caught.value) or "no address" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("host", ["8.8.8.8", "1.1.1.1", "[2001:4860:4860::8888]", "[64:ff9b::8.8.8.8]"])
def test_hosts_of_the_internet_are_taken(host: str) -> None:
    check_callback(f"https://{host}/done", settings())


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/x"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/x"),
        ("LocalHost", "http://localhost/x"),
        ("other.invalid 10.*", "https://10.1.2.3/x"),
        ("[::1]:9000", "http://[::1]:9000/x"),
        ("::1", "http://[::1]:9000/x"),
        ("*", "http://169.254.169.254/x"),
    ],
)
def test_hosts_that_are_listed_are_taken(listed: str, url: str) -> None:
    with pytest.raises(CallbackRefused):
        check_callback(url, settings())
    check_callback(url, settings(callbacks=listed))


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8081/x"),
        ("10.0.0.1", "http://10.0.0.11/x"),
        ("[::1]:9000", "http://[::1]:9001/x"),
        ("ours.example", "http://127.0.0.1/ours.example"),
        ("ours.example", "http://ours.example@127.0.0.1/"),
    ],
)
def test_what_only_looks_like_a_listed_host_is_refused(listed: str, url: str) -> None:
    with pytest.raises(CallbackRefused):
        check_callback(url, settings(callbacks=listed))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://8.8.8.8/x", "not a URL of http"),
        ("file:///etc/passwd", "not a URL of http"),
        ("http:///x", "not a URL of http"),
        ("//8.8.8.8/x", "not a URL of http"),
        ("http://8.8.8.8:99999/x", "not a URL of http"),
        ("http://[8.8.8.8/x", "not a URL of http"),
        ("https://me:hidden@8.8.8.8/x", "holds a user or a password"),
        ("https://no-such-host.invalid/hidden", "the host has no address"),
        (f"https://{'a' * 70}.example/", "the host has no address"),
    ],
)
def test_what_is_no_url_is_refused(url: str, says: str) -> None:
    with pytest.raises(CallbackRefused) as caught:
        check_callback(url, settings(callbacks="*"))
    assert says in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_one_bad_address_of_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server of an attacker answers with two: only the resolver is not the real one here."""

    def both(host: str, port: int, **_: Any) -> list[Any]:
        family = socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(CallbackRefused, match="not a public address"):
        check_callback("https://attacker.example/x", settings())


NETWORKS = ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]


@given(st.sampled_from(NETWORKS).map(ipaddress.IPv4Network), st.integers(0, 2**32 - 1))
def test_no_form_of_an_inner_address_is_public(network: ipaddress.IPv4Network, number: int) -> None:
    address = network[number % network.num_addresses]
    mapped = ipaddress.IPv6Address((0xFFFF << 32) + int(address))
    nat64 = ipaddress.IPv6Address((0x64FF9B << 96) + int(address))
    sixtofour = ipaddress.IPv6Address((0x2002 << 112) + (int(address) << 80) + 1)
    assert [str(form) for form in (address, mapped, nat64, sixtofour) if is_public(str(form))] == []
