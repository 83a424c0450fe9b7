"""Which hosts a callback may go to: those of the internet, and those that the operator lists.

A request says where its callback goes. Without this check whoever may ask for a training could have the service post
to what only its own network reaches: a database on loopback, or the server of a cloud that hands out credentials.
"""

from __future__ import annotations

import ipaddress
import socket
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit

from trainyard.errors import TrainyardError
from trainyard.host.retrain.notices.notice import place_of
from trainyard.settings.retrain import NoticeSettings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PORTS = {"http": 80, "https": 443}
_FIX = "name a public host, or have the operator list it in RETRAIN_CALLBACKS"
# Public by its number, and yet a cloud's own: Azure's virtual machines get their settings there.
_METADATA = (ipaddress.ip_address("168.63.129.16"),)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # the last 32 bits are an IPv4 address


class CallbackRefused(TrainyardError):
    """A callback_url that this service does not send to."""

    http_status = 422


def check_callback(url: str, settings: NoticeSettings) -> None:
    """See that a callback may go there. It is checked again when it is sent, by the address that is then connected to.

    Raises:
        CallbackRefused: it is no http(s) URL, it has a login, or its host is neither public nor listed.
    """
    parts = split_url(url)
    if parts.username is not None or parts.password is not None:
        raise CallbackRefused("callback_url holds a user or a password", "the callback is signed: leave them out")
    addresses_of(url, settings)


def split_url(url: str) -> SplitResult:
    """Raises:
    CallbackRefused: it is no http(s) URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise CallbackRefused("callback_url is not a URL of http or https", "write https://<host>/<path>")


def port_of(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]


def addresses_of(url: str, settings: NoticeSettings) -> list[tuple[str, int]]:
    """Addresses and port that may be connected to, in the order of the resolver.

    Raises:
        CallbackRefused: the host has no address, or one that is neither public nor listed.
    """
    parts = split_url(url)
    host, port = parts.hostname or "", port_of(parts)
    found = resolved(host, port, url)
    # One bad address is enough: which of them is connected to is nobody's choice.
    if not _is_listed(host, port, settings) and not all(is_public(address) for address in found):
        raise CallbackRefused(f"callback_url: {place_of(url)} is not a public address", _FIX)
    return [(address, port) for address in found]


def resolved(host: str, port: int, url: str) -> list[str]:
    """The addresses of a host.

    Raises:
        CallbackRefused: it has none.
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise CallbackRefused(f"{place_of(url)}: the host has no address", "correct its name") from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def is_public(text: str) -> bool:
    """Whether an address is one of the internet, whatever form it is wrapped in."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    inner = _inner(address)
    if inner is not None:
        return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in _METADATA


def _inner(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _is_listed(host: str, port: int, settings: NoticeSettings) -> bool:
    names = (host.rstrip("."), f"{host.rstrip('.')}:{port}", f"[{host}]:{port}")
    listed = settings.callbacks.lower().split()
    # An IPv6 address in brackets would be a set of characters to fnmatch.
    return any(name == entry or ("[" not in entry and fnmatchcase(name, entry)) for entry in listed for name in names)
