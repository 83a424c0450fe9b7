"""Which credentials there are, how they may be written, and what looks like one."""

from __future__ import annotations

import io
import tarfile
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.contract.secret_forms import LARGEST_BINARY, find_in_files, line_of
from trainyard.host.engines.container.archive import read_archive
from trainyard.host.secrets.credentials import all_credentials, given_to_builds, too_short
from trainyard.host.secrets.leaks import CHUNK, Finding, find, line_at, look_through
from trainyard.settings.host import HostSettings

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 2
KINDS = {
    "a GitHub token": ["ghp_" + LETTERS[:36], "github_pat_" + LETTERS[:82]],
    "a GitLab token": ["glpat-" + LETTERS[:20]],
    "a Slack token": ["xoxb-" + "123456789012-1234567890123-" + LETTERS[:24]],
    "a Slack webhook": ["https://hooks.slack.com/" + "services/T00000000/B00000000/" + LETTERS[:24]],
    "a Google API key": ["AIza" + LETTERS[:35]],
    "a Stripe key": ["sk_live_" + LETTERS[:24], "rk_test_" + LETTERS[:24]],
    "a PyPI token": ["pypi-" + "AgEIcHlwaS5vcmc" + LETTERS[:60]],
    "a Hugging Face token": ["hf_" + "a" * 34],
    "a password in the URL of a package": ["own @ https://reader:" + "s3cret@index.example/own.whl"],
    "an npm token": ["npm_" + LETTERS[:36]],
    "an AWS access key": ["AKIA" + "Q3EGXMPLRT7WZ2KV"],
    "a private key": ["-----BEGIN " + kind + "PRIVATE KEY-----\n" for kind in ("", "EC ", "OPENSSH ", "ENCRYPTED ")],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in KINDS.items() for text in texts])
def test_every_kind_is_found(kind: str, text: str) -> None:
    content = f"first line\nvalue = '{text}' # of a service\n".encode()
    (finding,) = find(content, [])
    assert (finding.what, line_of(content, finding.offset), finding.known) == (kind, 2, False)
    assert list(find(content.replace(b"of a service", b"trainyard: allow-secret"), [])) == [] or "\n" in text


@pytest.mark.parametrize(
    "text",
    ["ghp_short", "AKIA", "PRIVATE KEY", "hf_hub_download(repo)", "npm_config_registry", "ask_test_of_strength",
     "own @ https://host/a@b", "git+https://${USER}:${TOKEN}@host/own", "postgresql://me:secret@host/db"],
)  # fmt: skip
def test_what_only_begins_like_one(text: str) -> None:
    assert list(find(f"x = {text}\n".encode(), [])) == []


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"INDEX_URL": "https://pypi.org/simple"}, []),
        ({"INDEX_URL": "https://me:long-enough@host/simple"}, ["the password in INDEX_URL"]),
        ({"INDEX_URL": "https://long-token@host/simple"}, ["the user in INDEX_URL"]),
        ({"INDEX_URL": "https://long-token:@host/simple"}, ["the user in INDEX_URL"]),
        ({"EXTRA_INDEX_URL": "https://a:one-one@x https://b:two-two@y"}, ["the password in EXTRA_INDEX_URL"] * 2),
        ({"HTTPS_PROXY": "me:long-enough@proxy:3128"}, ["the password in HTTPS_PROXY"]),
    ],
)
def test_credentials_of_settings(settings: dict[str, str], names: list[str]) -> None:
    assert [credential.name for credential in given_to_builds(HostSettings.read(settings))] == names


def test_the_token_of_the_server_is_given_to_no_build() -> None:
    settings = HostSettings.read({"API_TOKEN": "only-for-friends"})
    assert given_to_builds(settings) == []
    assert [credential.name for credential in all_credentials(settings)] == ["API_TOKEN"]
    assert "friends" not in repr(all_credentials(settings))


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs"]), min_size=6, max_size=30), st.binary()
)
def test_a_password_is_found_in_each_of_its_forms(password: str, around: bytes) -> None:
    escaped = quote(password, safe="")
    credentials = given_to_builds(HostSettings(index_url=f"https://me:{escaped}@host/simple"))
    basic = b64encode(f"me:{password}".encode())
    for form in (escaped.encode(), password.encode(), basic):
        found = list(find(around + form + around, credentials, kinds=False))
        assert [finding.what for finding in found] == ["the password in INDEX_URL"]


def test_short_ones_are_named() -> None:
    assert list(too_short(given_to_builds(HostSettings(index_url="https://me:short@host")))) == [
        "the password in INDEX_URL"
    ]


def look(_: str, content: bytes) -> tuple[Finding, ...]:
    return (Finding("it", content.find(b"canary")),) if b"canary" in content else ()


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0, CHUNK - 6, CHUNK - 3, CHUNK, 2 * CHUNK - 1])
def test_a_large_file_is_looked_at_in_pieces(offset: int) -> None:
    content = bytearray(2 * CHUNK + 10)
    content[offset : offset + 6] = b"canary"
    assert [finding.what for finding in look_through("x", io.BytesIO(content), look)] == ["it"]
    content[offset] = 0
    assert look_through("x", io.BytesIO(content), look) == ()


@pytest.mark.parametrize("compression", ["", "gz"])
def test_layers_and_links_of_an_archive(compression: str) -> None:
    """docker's newer archives may have compressed layers; older ones have links in place of equal layers."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode=f"w:{compression}") as inner:
        add(inner, "./etc/pip.conf", b"canary")
        add(inner, "etc/clean", b"x" * 2000)
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as outer:
        add(outer, "blobs/sha256/abc", layer.getvalue().ljust(1024, b"\0"))
        link = tarfile.TarInfo("def/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../blobs/sha256/abc"
        outer.addfile(link)
        add(outer, "manifest.json", b"[]")
    whole.seek(0)
    archive = read_archive(whole, look)
    assert [path for path, _ in archive.layers["blobs/sha256/abc"]] == ["/etc/pip.conf"]
    assert archive.links == {"def/layer.tar": "blobs/sha256/abc"}
    assert archive.documents["manifest.json"] == b"[]"


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


@pytest.mark.slow
def test_a_finding_in_a_later_piece_has_its_own_line() -> None:
    content = b"x\n" * (CHUNK // 2 + 10) + b"key: AKIAQ3EGRIPKAYQXMZ5N\n"
    (finding,) = look_through("a.txt", io.BytesIO(content), lambda _, part: tuple(find(part, [])))
    assert content[finding.offset :].startswith(b"AKIA")
    assert line_at(io.BytesIO(content), finding.offset) == CHUNK // 2 + 11


@pytest.mark.parametrize(("start", "found"), [(b"weights\0", 0), (b"a comment\n", 1)])
def test_large_files_that_nobody_wrote_are_not_searched_for_forms(tmp_path: Path, start: bytes, found: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(start + b" " * LARGEST_BINARY + b"\nAKIAQ3EGRIPKAYQXMZ5N\n")
    assert len(list(find_in_files([path]))) == found
