"""The environment of a git that nothing but our settings reach: no file of this machine, no variable of its user."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from trainyard.host.retrain.sources.git_uri import GitUri
from trainyard.settings.own_process import callers_environment

KEPT = (
    "PATH", "TMPDIR", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
    "no_proxy", "NO_PROXY", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
BUNDLES = (
    "GIT_SSL_CAINFO",
    "CA_BUNDLE",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)  # git reads the first
# Flaws of old commits that do no harm, and that their authors can no longer correct.
HARMLESS = ("zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone", "missingNameBeforeEmail", "badFilemode")
CONFIG: Mapping[str, str] = {
    "core.hooksPath": os.devnull, "core.fsmonitor": "false", "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull, "core.askPass": "", "core.autocrlf": "false", "core.symlinks": "true",
    "core.protectNTFS": "true", "core.protectHFS": "true",
    "credential.helper": "", "credential.interactive": "false",
    "protocol.allow": "never", "protocol.version": "2",
    "transfer.fsckObjects": "true", **{f"fetch.fsck.{flaw}": "ignore" for flaw in HARMLESS},
    "transfer.unpackLimit": "1", "transfer.bundleURI": "false",  # one pack, whose size can be watched
    "fetch.recurseSubmodules": "false", "submodule.recurse": "false", "fetch.writeCommitGraph": "false",
    "gc.auto": "0", "maintenance.auto": "false", "advice.detachedHead": "false", "init.defaultBranch": "main",
    "http.followRedirects": "false", "http.sslVerify": "true", "checkout.workers": "1",
}  # fmt: skip
SSH = (
    "ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oUpdateHostKeys=no", "-oPermitLocalCommand=no",
    "-oForwardAgent=no", "-oForwardX11=no", "-oClearAllForwardings=yes", "-oControlMaster=no", "-oControlPath=none",
    "-oPasswordAuthentication=no", "-oKbdInteractiveAuthentication=no", "-oVerifyHostKeyDNS=no",
)  # fmt: skip


def environment(repository: Path | None, ssh: str, uri: GitUri | None, pipe: int | None) -> dict[str, str]:
    """The variables of git in a ``repository`` (its ``.git``; None before there is one), which may talk to the server
    of ``uri`` alone, and reads the credential for it from the descriptor ``pipe``."""
    caller = callers_environment()
    found = {name: caller[name] for name in KEPT if caller.get(name)}
    if caller.get("HTTP_PROXY"):  # curl reads the small one alone
        found.setdefault("http_proxy", caller["HTTP_PROXY"])
    if bundle := next((caller[name] for name in BUNDLES if caller.get(name)), ""):
        found["GIT_SSL_CAINFO"] = str(Path(bundle).expanduser())
    found |= {
        # curl would look for a .netrc there, and git for files of its own. ssh asks the system for the home.
        "HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull, "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0", "GIT_SSH_COMMAND": ssh, "GIT_SSH_VARIANT": "ssh",
    }  # fmt: skip
    if repository:  # named, so that git looks for none: one around this folder, or one that a tree pretends to be
        found["GIT_DIR"] = str(repository)
    config = {**CONFIG}
    if uri:
        config[f"protocol.{uri.scheme}.allow"] = "always"
        if pipe is not None:
            config[f"credential.{uri.url}.helper"] = f'!f() {{ test "$1" != get || cat /dev/fd/{pipe}; }}; f'
    found["GIT_CONFIG_COUNT"] = str(len(config))
    for number, (key, value) in enumerate(config.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def ssh_command(known_hosts: str, key: Path | None) -> str:
    """How git calls ssh: never asking, with host keys that are known, and no other key where one is given."""
    options = list(SSH)
    if known_hosts:
        options += [f'-oUserKnownHostsFile="{known_hosts}"', "-oGlobalKnownHostsFile=none"]
    if key:
        options += ["-oIdentitiesOnly=yes", "-oIdentityAgent=none", f'-oIdentityFile="{key}"']
    return shlex.join(options)
