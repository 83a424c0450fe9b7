"""The checkout of a job: what its repository has at its commit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.sources.fetching import fetch
from trainyard.host.retrain.sources.git_credentials import GitCredential, credential_of
from trainyard.host.retrain.sources.git_uri import GitUri, parse
from trainyard.host.retrain.sources.own_checkout import fetch_own
from trainyard.host.support.command import Limit
from trainyard.settings.own_process import callers_environment
from trainyard.settings.retrain import RetrainSettings


@dataclass(frozen=True)
class Checkout:
    """The full id of the commit, and the folder of the monorepo in the checkout."""

    commit: str
    root: Path


def check_out(
    session: Session, request: RetrainRequest, folder: Path, settings: RetrainSettings, secret: str
) -> Checkout:  # fmt: skip
    """Fetch the commit of a request into ``folder``, which is not there yet. ``secret`` came with the request's URI.

    Raises:
        TrainyardError: it cannot be fetched, and why; the folder is not there then.
    """
    own, reporter = session.repository.root, session.reporter
    if not request.git_uri:
        _fetch_if_missing(session, request.commit_hash, settings)
        found = fetch_own(own, request.commit_hash, folder, settings, reporter)
        return Checkout(found.commit, found.root)
    uri = parse(request.git_uri)

    def credential(of: GitUri) -> GitCredential | None:
        return credential_of(of, settings.credentials, callers_environment(), own)

    asked = credential(replace(uri, secret=secret) if secret else uri)
    commit = fetch(uri, request.commit_hash, folder, settings, asked, reporter, credential_for=credential)
    return Checkout(commit, folder)


def _fetch_if_missing(session: Session, commit: str, settings: RetrainSettings) -> None:
    """A push names a commit that the clone may not have yet: it is fetched from origin, by the user's own git. Where
    that fails, the checkout says what is missing."""
    root, limit = str(session.repository.root), Limit("RETRAIN_FETCH_TIMEOUT", settings.fetch_timeout)
    if not commit or session.commands.query(["git", "-C", root, "cat-file", "-e", f"{commit}^{{commit}}"]):
        return
    if not session.commands.query(["git", "-C", root, "remote", "get-url", "origin"]):
        return
    try:
        session.commands.run(
            ["git", "-C", root, "fetch", "--quiet", "origin"], limit,
            env=session.commands.environment({"GIT_TERMINAL_PROMPT": "0"}),
        )  # fmt: skip
    except TrainyardError as error:
        session.reporter.warn(f"{commit} is not in this clone, and origin does not give it: {error}")
