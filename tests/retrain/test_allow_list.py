"""Which addresses RETRAIN_SOURCES lets pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.allow_list import parse_allow_list
from trainyard.host.retrain.sources.git_uri import parse

OURS = "https://github.com/ours/*"


@pytest.mark.parametrize(
    ("pattern", "address", "passes"),
    [
        (OURS, "https://github.com/ours/repo.git", True),
        (OURS, "https://GITHUB.com:443/ours/repo/", True),
        (OURS, "https://token@github.com/ours/repo", True),
        (OURS, "https://github.com/ours/group/repo", True),
        (OURS, "https://github.com/oursandmore/repo", False),
        (OURS, "https://github.com/OURS/repo", False),
        (OURS, "https://github.com/other/repo", False),
        (OURS, "https://github.com.evil.example/ours/repo", False),
        (OURS, "https://github.com:8443/ours/repo", False),
        (OURS, "https://evil.example/github.com/ours/repo", False),
        (OURS, "https://github.com@evil.example/ours/repo", False),
        (OURS, "http://github.com/ours/repo", False),
        (OURS, "ssh://git@github.com/ours/repo", False),
        ("https://github.com/ours/repo", "https://github.com/ours/repo.git/", True),
        ("https://github.com/ours/repo.git", "https://github.com/ours/repo", True),
        ("https://github.com/ours/repo", "https://github.com/ours/repo2", False),
        ("https://github.com:443/ours/*", "https://github.com/ours/repo", True),
        ("https://*.ours.example/*", "https://git.ours.example/a/b", True),
        ("https://*.ours.example/*", "https://evil.example/x.ours.example/b", False),
        ("https://*.ours.example/*", "https://xours.example/a", False),
        ("https://*/*", "https://anything.example/a", True),
        ("https://*/*", "ssh://git@anything.example/a", False),
        ("*://github.com/ours/*", "git@github.com:ours/repo.git", True),
        ("*://github.com/ours/*", "http://github.com/ours/repo.git", False),
        ("http://git.lan/*", "http://git.lan/a", True),
        ("http://127.0.0.1:3000/*", "http://127.0.0.1:3000/a", True),
        ("git@github.com:ours/*", "ssh://me@github.com/ours/repo", True),
        ("ssh://git@github.com/ours/*", "git@github.com:ours/repo.git", True),
        ("git@github.com:ours/*", "https://github.com/ours/repo", False),
        ("https://h.example/My%20Project/*", "https://h.example/My%20Project/r", True),
        ("https://h.example/(a|b)/r", "https://h.example/a/r", False),
        ("https://[::1]:8443/*", "https://[::1]:8443/r", True),
    ],
)
def test_what_passes(pattern: str, address: str, passes: bool) -> None:
    listed = parse_allow_list(f"https://unrelated.example/* {pattern}")
    assert listed.allows(parse(address)) == passes
    if passes:
        listed.check(parse(address))
    else:
        with pytest.raises(TrainyardError, match=r"may not be fetched: no pattern of RETRAIN_SOURCES .*: add it to"):
            listed.check(parse(address))


def test_an_empty_list_lets_nothing_pass() -> None:
    with pytest.raises(TrainyardError, match="RETRAIN_SOURCES is empty"):
        parse_allow_list("").check(parse("https://github.com/ours/repo"))


def test_plain_http_says_what_to_do() -> None:
    with pytest.raises(TrainyardError, match="with http://, or use https://"):
        parse_allow_list(OURS).check(parse("http://github.com/ours/repo"))


@pytest.mark.parametrize(
    "text",
    ["*", "https://*", "github.com/ours/*", "https://github.com", "https://github.com/", "file:///srv/*", "ext::x",
     "https://github.com/../*", "https://a/b//c", "git://host/*", "https://t0k3n@@github.com/*"],
)  # fmt: skip
def test_patterns_that_cannot_be_read(text: str) -> None:
    with pytest.raises(TrainyardError, match=r"^RETRAIN_SOURCES: ") as caught:
        parse_allow_list(text)
    assert "t0k3n" not in str(caught.value)


HOSTS = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,5}){0,2}", fullmatch=True)
NAMES = st.from_regex(r"[A-Za-z0-9_.~]{0,5}[A-Za-z0-9_]", fullmatch=True)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
SCHEMES = st.sampled_from(["https", "ssh", "http"])
PORTS = st.sampled_from(["", ":80", ":443", ":22", ":8443"])


@given(SCHEMES, HOSTS, PORTS, PATHS)
def test_an_address_is_its_own_pattern_in_each_way_to_write_it(scheme: str, host: str, port: str, path: str) -> None:
    address = f"{scheme}://{host}{port}/{path}"
    for written in (address, f"{address}/", f"{address}.git", f"{scheme.upper()}://{host.upper()}{port}/{path}"):
        assert parse_allow_list(address).allows(parse(written)), written
        assert parse_allow_list(written).allows(parse(address)), written


@given(SCHEMES, HOSTS, PORTS, PATHS, SCHEMES, HOSTS, PORTS, PATHS)
def test_a_star_in_the_path_lets_nothing_else_vary(
    scheme: str, host: str, port: str, path: str, scheme2: str, host2: str, port2: str, path2: str
) -> None:
    pattern, uri = parse(f"{scheme}://{host}{port}/{path}"), parse(f"{scheme2}://{host2}{port2}/{path2}")
    passes = parse_allow_list(f"{scheme}://{host}{port}/*").allows(uri)
    assert passes == (pattern.origin == uri.origin)


@given(HOSTS, PATHS, st.text("ab*./", max_size=8))
def test_whatever_passes_begins_like_the_pattern(host: str, path: str, end: str) -> None:
    try:
        uri = parse(f"https://{host}/{path}/{end}")
    except TrainyardError:
        return
    if parse_allow_list(f"https://{host}/ours/*").allows(uri):
        assert uri.path.startswith("/ours/")
