"""Where packages come from: settings, pip's and uv's own configuration, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.network.build_settings import index_environment
from trainyard.host.network.package_indexes import read_settings
from trainyard.host.network.urls import without_logins

MALFORMED = (
    "http://reader:pa/s3cret@host/simple", "http://reader:pa@s3cret/x@host", "http://reader:s3cret#x@host/simple",
    "http://reader:s3cret?x@host/simple", "http://reader:pa s3cret@host/simple", "reader:s3cret@host/simple",
    "http:/reader:s3cret@host",
)  # fmt: skip


def indexes(home: Path, **variables: str) -> tuple[str, str]:
    settings = read_settings({"HOME": str(home), "PIP_CONFIG_FILE": str(home / "pip.conf"), **variables})
    return settings.index_url, settings.extra_index_url


def test_pip_conf_is_read_where_no_setting_says_it(tmp_path: Path) -> None:
    config = tmp_path / ".config" / "pip"
    config.mkdir(parents=True)
    (config / "pip.conf").write_text(
        "[global]\nindex-url = https://u:%p@a/simple\nextra-index-url = https://b\n  https://c\n"
    )
    assert indexes(tmp_path) == ("https://u:%p@a/simple", "https://b https://c")
    (tmp_path / "pip.conf").write_text("[install]\nindex-url = https://d\n")
    assert indexes(tmp_path) == ("https://d", "https://b https://c")
    assert indexes(tmp_path, INDEX_URL="https://e", UV_INDEX="own=https://f") == ("https://e", "own=https://f")


def test_uv_toml_is_read_and_pip_conf_comes_before_it(tmp_path: Path) -> None:
    config = tmp_path / ".config" / "uv"
    config.mkdir(parents=True)
    (config / "uv.toml").write_text(
        '[[index]]\nurl = "https://a"\ndefault = true\n[[index]]\nurl = "https://b"\n'
        '[[index]]\nname = "c"\nurl = "https://c"\nexplicit = true\n'
    )
    assert indexes(tmp_path) == ("https://a", "https://b")
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://d\n")
    assert indexes(tmp_path) == ("https://d", "https://b")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (".config/pip/pip.conf", "[global]\nfind-links = /wheels\n", "find-links"),
        (".config/pip/pip.conf", "[install]\nno-index = true\n", "no-index"),
        (".config/pip/pip.conf", "index-url = https://a\n", "damaged"),
        (".config/pip/pip.conf", "[global]\nindex-url = https://me:pa/s3cret@a\n", "index-url is not a URL"),
        (".config/uv/uv.toml", 'find-links = ["/wheels"]\n', "find-links"),
        (".config/uv/uv.toml", "[[index]\n", "damaged"),
    ],
)
def test_a_file_that_cannot_be_honoured_is_named(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(TrainyardError, match=str(tmp_path / name)) as raised:
        indexes(tmp_path)
    assert expected in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_uvs_folders_of_wheels_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TrainyardError, match="UV_FIND_LINKS") as raised:
        indexes(tmp_path, UV_FIND_LINKS="/wheels")
    assert "WHEELHOUSE" in raised.value.hint


@pytest.mark.parametrize("url", MALFORMED)
@pytest.mark.parametrize("setting", ["INDEX_URL", "EXTRA_INDEX_URL", "UV_INDEX"])
def test_a_malformed_url_is_refused_and_not_shown(tmp_path: Path, setting: str, url: str) -> None:
    with pytest.raises(TrainyardError, match="is not a URL") as raised:
        indexes(tmp_path, **{setting: url})
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("proxy", ["http://me:pa/s3cret@proxy:3128", "me:pa/s3cret@proxy:3128"])
def test_a_malformed_proxy_is_refused_and_not_shown(tmp_path: Path, proxy: str) -> None:
    with pytest.raises(TrainyardError, match="HTTPS_PROXY is not a URL") as raised:
        indexes(tmp_path, HTTPS_PROXY=proxy)
    assert "s3cret" not in str(raised.value)
    indexes(tmp_path, HTTPS_PROXY="me:secret@proxy:3128", HTTP_PROXY="proxy:3128")


def test_uv_and_pip_are_told_the_same(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "INDEX_URL": "https://a", "UV_INDEX": "own=http://b/simple https://c"}
    variables = index_environment(read_settings(environ))
    assert variables["UV_INDEX"] == "own=http://b/simple https://c"
    assert variables["PIP_EXTRA_INDEX_URL"] == "http://b/simple https://c"
    assert (variables["PIP_TRUSTED_HOST"], variables["UV_NO_CONFIG"]) == ("b", "1")


@pytest.mark.parametrize("url", [*MALFORMED[:4], "https://reader:s3cret@host/simple", "ssh://s3cret@host/x"])
def test_a_url_is_shown_without_its_login(url: str) -> None:
    assert "s3cret" not in without_logins(f"invalid value '{url}' for `--index`")


@pytest.mark.parametrize("text", ["https://host:8080/a@b", "git+https://host/own.git@main", "me@example.org", "a@b: c"])
def test_what_is_no_login_stays(text: str) -> None:
    assert without_logins(f"see {text} there") == f"see {text} there"


@given(st.text(st.characters(exclude_characters="/?#@ \t\r\n\"'`", codec="ascii", min_codepoint=33), min_size=1))
def test_no_well_formed_password_is_shown(password: str) -> None:
    assert without_logins(f"at http://reader:{password}@host/x failed") == "at http://***@host/x failed"
