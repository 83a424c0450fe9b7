"""Which addresses of repositories are taken, and what is kept of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.git_uri import GitUri, parse

TAKEN = {
    "https://github.com/user/repo.git": ("https://github.com/user/repo.git", "", ""),
    "https://git@github.com/user/repo.git": ("https://github.com/user/repo.git", "git", ""),
    "https://t0k3n@github.com/user/repo.git": ("https://github.com/user/repo.git", "", "t0k3n"),
    "https://t0k3n:x-oauth-basic@github.com/u/r": ("https://github.com/u/r", "", "t0k3n"),
    "https://me:p%40ss%2Fword@host.example/u/r": ("https://host.example/u/r", "me", "p@ss/word"),
    "HTTPS://GitHub.COM:443/User/Repo": ("https://github.com/User/Repo", "", ""),
    "https://git.example:8443/a": ("https://git.example:8443/a", "", ""),
    "https://dev.azure.com/o/My%20Project/_git/r": ("https://dev.azure.com/o/My%20Project/_git/r", "", ""),
    "http://localhost:3000/u/r": ("http://localhost:3000/u/r", "", ""),
    "https://[::1]:8443/u/r": ("https://[::1]:8443/u/r", "", ""),
    "ssh://git@github.com/u/r.git": ("ssh://github.com/u/r.git", "git", ""),
    "ssh://git@host.example:2222/srv/r": ("ssh://host.example:2222/srv/r", "git", ""),
    "git@github.com:u/r.git": ("ssh://github.com/u/r.git", "git", ""),
    "git@host.example:/srv/r.git": ("ssh://host.example/srv/r.git", "git", ""),
}
REFUSED = (
    "", "file:///etc", "/srv/repo", "../repo", "repo", "C:\\repo", "ext::sh -c id", "fd::3", "foo::https://a.b/c",
    "git://host/r", "ftp://host/r", "--upload-pack=id", "-u", "https://-oProxyCommand=id/r", "ssh://-oProxyCommand=id/r",
    "git@-oProxyCommand=id:r", "-git@host:r", "ssh://-l@host/r", "ssh://git:pw@host/r", "ssh://a%20b@host/r",
    "https://host/a/../b", "https://host/a/%2e%2e/b", "https://host/a/%2E./b", "https://host/./b", "https://host//b",
    "https://host/a%2fb", "https://host/a%2F..%2Fb", "https://host/a%00b", "https://host/a%0ab", "https://host/a%252e",
    "https://host/a%5cb", "https://host/a\\b", "https://host/a b", "https://host/a\nb", "https://host/a\tb",
    "https://host/-a", "https://host/a?x=1", "https://host/a#x", "https://host/a%zz", "https://host/%ff", "https://host",
    "https://host/", "https:///a", "https://ho st/a", "https://a@b@host/r", "https://host:0/a", "https://host:99999/a",
    "https://host:x/a", "https://hóst/a", "https://a..b/c", "https://%67ithub.com/a", "https://[::zz]/a", "host:r",
    "https://me:a%0ab@host/r", "https://t%0dk@host/r", "https://t%00k@host/r", "git@host:../r", "git@host:a/../b",
    "git@host:-r", "git@host:", "git@host:a:b", "git@host:a%2e%2e", "https://host/" + "a" * 3000,
)  # fmt: skip


@pytest.mark.parametrize("text", TAKEN)
def test_taken(text: str) -> None:
    uri = parse(text)
    assert (uri.url, uri.user, uri.secret) == TAKEN[text]
    assert uri.shown == uri.url
    if uri.secret:
        assert uri.secret not in repr(uri) + str(uri) + uri.remote
    assert parse(uri.remote).url == uri.url


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(TrainyardError, match=r"^(the git address has \d+ characters|git address )") as caught:
        parse(text)
    assert str(caught.value).isprintable()
    assert caught.value.hint


def test_what_git_is_given_for_ssh() -> None:
    assert parse("git@host.example:srv/r.git").remote == "git@host.example:srv/r.git"
    assert parse("git@host.example:/srv/r.git").remote == "ssh://git@host.example/srv/r.git"
    assert parse("ssh://me@host.example:2222/r").remote == "ssh://me@host.example:2222/r"


@pytest.mark.parametrize(
    "text", ["https://s3cr3t@@host/r", "https://me:s3cr3t@ho st/r", "foo://s3cr3t@host", "s3cr3t@/"]
)
def test_an_address_that_is_refused_is_shown_without_what_may_be_a_token(text: str) -> None:
    with pytest.raises(TrainyardError) as caught:
        parse(text)
    assert "s3cr3t" not in str(caught.value)


def test_loopback() -> None:
    here = ("http://localhost/r", "http://127.0.0.1/r", "http://127.9.9.9:80/r", "http://[::1]/r")
    elsewhere = ("http://localhost.example/r", "http://127.0.0.1.example/r", "http://10.0.0.1/r", "http://2130706433/r")
    assert all(parse(text).is_loopback for text in here)
    assert not any(parse(text).is_loopback for text in elsewhere)


PIECES = st.sampled_from(
    [
        *"abz09-._~@:/?#%\\ \n\x00",
        "..",
        "://",
        "::",
        "%2e",
        "%2F",
        "%0a",
        "https://",
        "ssh://",
        "git@",
        "host",
        "[",
        "]",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join)))
def test_whatever_is_taken_cannot_be_read_as_something_else(text: str) -> None:
    try:
        uri = parse(text)
    except TrainyardError as error:
        assert str(error).isprintable()
        return
    assert isinstance(uri, GitUri)
    assert uri.url.startswith(("https://", "http://", "ssh://"))
    assert uri.url.isascii()
    assert uri.url.isprintable()
    assert " " not in uri.url
    assert "@" not in uri.origin
    assert not any(part in ("", ".", "..") or part.startswith("-") for part in uri.path[1:].rstrip("/").split("/"))
    assert not uri.remote.startswith("-")
    again = parse(uri.remote)
    assert (again.url, again.remote) == (uri.url, uri.remote)
