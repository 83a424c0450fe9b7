"""make datastore-add, datastores, data-list, data-pull, data-push: the data stores of the repository, by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.datastores import FILE, Credentials, Datastore, check_endpoint, check_name, check_url
from trainyard.host.data.store import joined
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref
from trainyard.host.operations import datastores as operation
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.tables import table
from trainyard.settings.data import StoreSettings
from trainyard.settings.scaffold import ScaffoldSettings


def datastore_add(session: Session, _: Path) -> None:
    """Raises:
    TrainyardError: a value is missing or wrong, or the store does not answer; nothing is written then."""
    name = _names(session).name
    given = StoreSettings.read(session.repository.overrides)
    if not name:
        raise TrainyardError("NAME is missing", "say what the store shall be called: NAME=lake")
    try:
        check_name(name)
    except ValueError as error:
        raise TrainyardError(f"NAME={name}: {error}", "take another name") from None
    operation.add(session, name, _declared(given))
    if not session.commands.dry_run:
        session.reporter.step(f"{name} answers, and is in {FILE}: make data-list STORE={name}")


def _declared(given: StoreSettings) -> Datastore:
    if not given.url:
        raise TrainyardError("URL is missing", "say where the store is: URL=s3://bucket/folder")
    for variable, url, check in (("URL", given.url, check_url), ("ENDPOINT", given.endpoint, check_endpoint)):
        try:
            check(url)
        except ValueError as error:  # it is not shown: it may hold a secret
            raise TrainyardError(f"{variable}: {error}", "correct it") from None
    credentials = _credentials(given.credentials)
    return Datastore(url=given.url, endpoint=given.endpoint, region=given.region, credentials=credentials)


def _credentials(text: str) -> Any:
    if text in ("", "none", "default"):
        return text or "default"
    if "/" in text:
        return Credentials(file=text)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*_", text):
        raise TrainyardError("CREDENTIALS is none, default, a prefix that ends in _, or a path", "CREDENTIALS=LAKE_")
    return Credentials(variables=text)


def datastores(session: Session, _: Path) -> None:
    """Show every store; fail where one does not answer."""
    found = operation.overviews(session)
    if not found:
        console.result(f"No data store yet: make datastore-add NAME=lake URL=s3://bucket/folder writes {FILE}")
        return
    rows = [("STORE", "URL", "REACHABLE", "FILES", "BYTES", "NEWEST")]
    for one in found:
        plus = "+" if one.more else ""
        counts = ("", "") if one.problem else (f"{one.files:,}{plus}", f"{one.size:,}{plus}")
        rows.append((one.name, one.url, one.problem or "yes", *counts, one.newest))
    for line in table(rows):
        console.result(line)
    if away := [one.name for one in found if one.problem]:
        raise TrainyardError(f"{', '.join(away)}: see above", "", EXIT_FAILED)


def data_list(session: Session, _: Path) -> None:
    """Show one level of a store."""
    given = StoreSettings.read(session.repository.overrides)
    if not given.store:
        raise TrainyardError("STORE is missing", "make datastores shows them: make data-list STORE=<name> AT=<folder>")
    rows = [("NAME", "BYTES", "VERSION")]
    ref = parse_ref(given.store)  # STORE=lake:folder is understood, too
    store, at = (ref.store, joined(ref.path, given.at)) if ref.store else (given.store, given.at)
    for entry in operation.entries(session, store, at):
        item = entry.item
        rows.append((entry.name, f"{item.size:,}", item.version) if item else (f"{entry.name}/", "", ""))
    for line in table(rows):
        console.result(line)


def data_pull(session: Session, _: Path) -> None:
    """Fetch FROM, or what every model trains on, into the cache; with TO copy it into a folder.

    Raises:
        TrainyardError: a dataset could not be fetched; the others were.
    """
    given = _names(session)
    assert session.data  # a setting that cannot be read is one error, not one for each dataset
    if not given.source and given.to:
        raise TrainyardError("TO needs FROM", "make data-pull FROM=<store>:<path> TO=<folder>")
    refs, errors = ([_ref(given.source, "FROM")], []) if given.source else operation.datasets_of_models(session)
    if not refs and not errors:
        session.reporter.step("No model trains on data of a store: say FROM=<store>:<path>")
    total = len(refs) + len(errors)
    for ref in refs:
        if session.commands.dry_run:
            session.reporter.would(f"fetch {ref}{f' and copy it to {given.to}' if given.to else ''}")
            continue
        try:
            _pull(session, ref, given.to)
        except TrainyardError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    for one in errors:
        console.error(str(one))
    if errors:
        raise TrainyardError(f"{len(errors)} of {total} datasets are not here", "see above", EXIT_FAILED)


def _pull(session: Session, ref: DatasetRef, to: str) -> None:
    cached = operation.fetched(session, ref)
    size = sum(file.size for file in cached.files) / 1e6
    if not to:
        session.reporter.step(f"{ref} is here: {_files(len(cached.files))}, {size:,.1f} MB, in {cached.folder}")
        return
    copied = operation.copy_out(session, cached, Path(to).expanduser(), force=session.settings.force)
    session.reporter.step(f"{ref} is in {to}: {copied:,} of {_files(len(cached.files))} copied")


def data_push(session: Session, _: Path) -> None:
    """Put a file or a folder into a store."""
    given = _names(session)
    if not given.source:
        raise TrainyardError("FROM is missing", "make data-push FROM=<file or folder> TO=<store>:<path>")
    target = _ref(given.to, "TO")
    if given.to.endswith("/"):
        target = DatasetRef(target.store, f"{target.path}/")
    pushed = operation.put(session, Path(given.source).expanduser(), target)
    if not session.commands.dry_run:
        session.reporter.step(f"{target} is there: {_files(pushed)} {'is' if pushed == 1 else 'are'} new")


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _names(session: Session) -> ScaffoldSettings:
    return ScaffoldSettings.read(session.repository.overrides)


def _ref(text: str, variable: str) -> DatasetRef:
    ref = parse_ref(text)
    if not ref.store:
        raise TrainyardError(f"{variable}={text}: not a path of a data store", f"say {variable}=<store>:<path>")
    return ref
