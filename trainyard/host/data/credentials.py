"""The variables that a store's driver is given: where its credentials, and no others, are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError
from trainyard.host.data.datastores import Credentials, Datastore

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_OTHERS = 0o077  # permissions of people who are not the owner


def variables_of(name: str, store: Datastore, environ: Mapping[str, str], root: Path) -> dict[str, str]:
    """The environment as the store ``name`` shall see it: the caller's; with a prefix, those that begin so, without it;
    with a file, what is in there. Empty for ``none``.

    Raises:
        TrainyardError: the file is not there, lies in the monorepo, is open to others, or has another line; or no
            variable has the prefix.
    """
    given = store.credentials
    if given == "none":
        return {}
    if not isinstance(given, Credentials):
        return dict(environ)
    if given.variables:
        found = {key.removeprefix(given.variables): value for key, value in environ.items()
                 if key.startswith(given.variables) and value}  # fmt: skip
        if not found:
            wanted = f"{given.variables}{EXPECTED.get(store.scheme, ('TOKEN',))[0]}"
            raise TrainyardError(
                f"data store {name}: no variable begins with {given.variables}", f"set {wanted} and what belongs to it"
            )
        return found
    return _read(name, Path(given.file).expanduser(), root)


# What credentials consist of, for messages.
EXPECTED: Mapping[str, tuple[str, ...]] = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "abfs": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"),
    "sftp": ("SFTP_USERNAME", "SFTP_PASSWORD"),
    "https": ("HTTP_TOKEN",),
    "http": ("HTTP_TOKEN",),
}


def _read(name: str, path: Path, root: Path) -> dict[str, str]:
    what = f"data store {name}: {path}"
    path = path if path.is_absolute() else root / path
    if path.resolve().is_relative_to(root.resolve()):
        raise TrainyardError(f"{what} lies in the monorepo, where it could be committed", "move it out of there")
    text = read_text(path)
    if path.stat().st_mode & _OTHERS:
        raise TrainyardError(f"{what} can be read by other users", f"chmod 600 {path}")
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not (match := _LINE.fullmatch(line.strip())):
            raise TrainyardError(f"{path}:{number}: not a line KEY=value", "correct it; # begins a comment")
        found[match[1]] = match[2].strip("\"'")
    return found
