"""Fetching in tests: by the function that jobs call, from a server on loopback."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trainyard.host.retrain.sources.fetching import fetch
from trainyard.host.retrain.sources.git_credentials import GitCredential, credential_of
from trainyard.host.retrain.sources.git_errors import FetchError, Trouble
from trainyard.host.retrain.sources.git_uri import GitUri, parse
from trainyard.host.support.reporter import SILENT, Reporter
from trainyard.settings.retrain import JobSettings

SETTINGS = JobSettings()


def fetched(
    url: str, folder: Path, commit: str = "", settings: JobSettings = SETTINGS, reporter: Reporter = SILENT,
    environ: dict[str, str] | None = None,
) -> str:  # fmt: skip
    """The full id of the commit that is in ``folder`` now. Where the settings name no sources, the server's are it."""
    uri = parse(url)
    settings = replace(settings, sources=settings.sources or f"{uri.origin}/*")

    def credential_for(one: GitUri) -> GitCredential | None:
        return credential_of(one, settings.credentials, environ or {}, Path("/nowhere"))

    return fetch(uri, commit, folder, settings, credential_for(uri), reporter, credential_for=credential_for)


def refused(url: str, folder: Path, trouble: Trouble, commit: str = "", settings: JobSettings = SETTINGS) -> str:
    """The one line by which it failed; nothing is left of it."""
    with pytest.raises(FetchError) as caught:
        fetched(url, folder, commit, settings)
    assert caught.value.trouble == trouble, caught.value
    assert not folder.exists()
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_limits(seconds: int = 60, megabytes: int = 100) -> JobSettings:
    return replace(SETTINGS, fetch_timeout=seconds, fetch_mb=megabytes)
