"""Where a company's package index may be named besides our own settings: pip's and uv's configuration files.

What they say of indexes is read where no setting says it; so builds, locks and ``make wheelhouse`` ask the same ones.
https://pip.pypa.io/en/stable/topics/configuration/, https://docs.astral.sh/uv/concepts/configuration-files/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError
from trainyard.host.network.urls import check_urls
from trainyard.settings.host import HostSettings

Named = dict[str, str]  # index_url, extra_index_url
UNREAD = "find-links and no-index are not read by builds"
INSTEAD = "name a package index by INDEX_URL or EXTRA_INDEX_URL, or a folder of wheels by WHEELHOUSE"


def read_settings(environ: Mapping[str, str]) -> HostSettings:
    """The host's settings, with the indexes of configuration files where no variable names one.

    Raises:
        TrainyardError: a setting or a file is wrong, or a file says where packages are in a way that is not read.
    """
    settings = HostSettings.read(environ)
    check_urls("INDEX_URL", settings.index_url)
    check_urls("EXTRA_INDEX_URL", settings.extra_index_url)
    check_urls("HTTP_PROXY", settings.http_proxy, scheme=False)
    check_urls("HTTPS_PROXY", settings.https_proxy, scheme=False)
    if environ.get("UV_FIND_LINKS"):
        raise TrainyardError("UV_FIND_LINKS is not read by builds", f"unset it, and {INSTEAD}")
    if settings.wheelhouse:
        return settings
    found: Named = {}
    for path in _files(environ):
        if path.is_file():
            named = _of_uv(path) if path.suffix == ".toml" else _of_pip(path)
            for key, text in named.items():
                check_urls(f"{path}: {key.replace('_', '-')}", text)
            found |= named
    return replace(
        settings,
        index_url=settings.index_url or found.get("index_url", ""),
        extra_index_url=settings.extra_index_url or found.get("extra_index_url", ""),
    )


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Those that may be there, the later ones override. pip's come last: they are older, and more of them are right."""
    home = Path(environ.get("HOME") or "/nonexistent")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    yield from (Path("/etc/uv/uv.toml"), config / "uv" / "uv.toml")
    given = environ.get("PIP_CONFIG_FILE", "")
    if given != "/dev/null":
        yield from (Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"))
        yield from (home / ".pip" / "pip.conf", config / "pip" / "pip.conf")
        if given:
            yield Path(given)


def _of_pip(path: Path) -> Named:
    import configparser  # only who has such a file waits for what reads it

    config = configparser.RawConfigParser(strict=False)
    try:
        config.read_string(read_text(path))
    except configparser.Error as error:
        raise TrainyardError(f"{path}: damaged: {type(error).__name__}", "correct it") from None
    found: Named = {}
    for section in ("global", "install"):
        if config.has_option(section, "find-links") or config.has_option(section, "no-index"):
            raise TrainyardError(f"{path}: {UNREAD}", f"take them out, and {INSTEAD}")
        for key in ("index-url", "extra-index-url"):
            if text := " ".join(config.get(section, key, fallback="").split()):
                found[key.replace("-", "_")] = text
    return found


def _of_uv(path: Path) -> Named:
    import tomllib

    try:
        table: dict[str, Any] = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise TrainyardError(f"{path}: damaged: {error}", "correct it") from None
    table |= table.get("pip", {})
    if table.get("find-links") or table.get("no-index"):
        raise TrainyardError(f"{path}: {UNREAD}", f"take them out, and {INSTEAD}")
    indexes = [one for one in table.get("index", []) if not one.get("explicit")]
    usual = [one["url"] for one in indexes if one.get("default")] or [table.get("index-url", "")]
    extra = [*(one["url"] for one in indexes if not one.get("default")), *table.get("extra-index-url", [])]
    named = {"index_url": usual[0], "extra_index_url": " ".join(extra)}
    return {key: text for key, text in named.items() if text}
