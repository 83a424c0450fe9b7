"""The credential of a repository: by name from RETRAIN_CREDENTIALS, or from the address itself.

A name is that of a variable, or the path of a file outside of the monorepo. It holds ``user:token`` or a token alone;
for ssh it is the file of a private key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.allow_list import parse_patterns
from trainyard.host.retrain.sources.git_uri import GitUri

SETTING = "RETRAIN_CREDENTIALS"
EXAMPLE = "write https://github.com/ours/*=NAME"
# What GitHub asks for beside a token; GitLab, Gitea, Azure and others take any name. The token is not sent as the user:
# servers write that into their logs.
USER_OF_TOKEN = "x-access-token"  # noqa: S105

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OTHERS = 0o077  # permissions of people who are not the owner


@dataclass(frozen=True)
class GitCredential:
    """What a server asks for: user and secret, or for ssh the file of a key."""

    user: str = ""
    secret: str = field(default="", repr=False)
    key: Path | None = None


def credential_of(uri: GitUri, setting: str, environ: Mapping[str, str], root: Path) -> GitCredential | None:
    """The credential of an address: the first in the setting's value whose pattern stands for it, else the one in the
    address. None where there is none; ssh uses the agent and the keys of the service's user then.

    Raises:
        TrainyardError: the setting cannot be read, or names a variable or a file that is not there, lies in the
            monorepo ``root`` or is open to others.
    """
    for pair in setting.split():
        pattern, equals, name = pair.rpartition("=")
        if not equals or not name:
            raise TrainyardError(f"{SETTING}: {pair.rpartition('@')[2]} is no <pattern>=<name>", EXAMPLE)
        if parse_patterns([pattern], SETTING)[0].matches(uri):
            return _named(uri, name, environ, root)
    if uri.secret:
        return GitCredential(uri.user or USER_OF_TOKEN, uri.secret)
    return None


def _named(uri: GitUri, name: str, environ: Mapping[str, str], root: Path) -> GitCredential:
    if "/" not in name and _VARIABLE.fullmatch(name):
        if uri.scheme == "ssh":
            raise TrainyardError(f"{SETTING}: {name} is a variable, and ssh takes a file", "name the file of a key")
        if not (text := environ.get(name, "").strip()):
            raise TrainyardError(f"{SETTING}: the variable {name} is not set", f"set {name} for the service")
        return _credential(text, f"the variable {name}")
    path = _checked(Path(name).expanduser(), root)
    if uri.scheme == "ssh":
        return GitCredential(key=path)
    return _credential(read_text(path).strip(), str(path))


def _checked(path: Path, root: Path) -> Path:
    """The file of a credential, which only its owner can read."""
    path = path if path.is_absolute() else root / path
    if path.resolve().is_relative_to(root.resolve()):
        raise TrainyardError(
            f"{SETTING}: {path} lies in the monorepo, where it could be committed", "move it out of there"
        )
    if not path.is_file():
        raise TrainyardError(f"{SETTING}: {path} is not there", "name a variable, or a file that is there")
    if path.stat().st_mode & _OTHERS:
        raise TrainyardError(f"{SETTING}: {path} can be read by other users", f"chmod 600 {path}")
    return path


def _credential(text: str, where: str) -> GitCredential:
    user, colon, secret = text.partition(":")
    if not colon:
        user, secret = USER_OF_TOKEN, text
    if not user or not secret or not text.isprintable():
        raise TrainyardError(f"{SETTING}: {where} holds no credential", "write <user>:<token>, or a token, on one line")
    return GitCredential(user, secret)
