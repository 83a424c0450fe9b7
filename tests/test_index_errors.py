"""What uv says of a package index is read alike by the host and in a build."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from trainyard.host.requirements.index_errors import explain_index
from trainyard.settings.host import NetworkSettings

SCRIPT = Path(__file__).resolve().parents[1] / "builders" / "common" / "index_errors.sh"
SHELL = f'die() {{ printf "%s" "$*"; exit; }}; . {shlex.quote(str(SCRIPT))}; explain_index "$1"'
NETWORK = "check the network, INDEX_URL and HTTPS_PROXY"
MESSAGES = {
    "error sending request\n  Caused by: invalid peer certificate: UnknownIssuer":
        "the certificate of the package index is not trusted: set CA_BUNDLE to your company's CA file",
    "HTTP status client error (401 Unauthorized)":
        "the package index refuses the user and the password: check INDEX_URL and EXTRA_INDEX_URL",
    "No solution found: an index could not be queried (403 Forbidden).":
        "the package index refuses the user and the password: check INDEX_URL and EXTRA_INDEX_URL",
    "error sending request\n  operation timed out":
        f"the package index did not answer within 30 s: {NETWORK}, or set INDEX_TIMEOUT higher",
    "HTTP status server error (503 Service Unavailable)":
        f"the package index answered 503 Service Unavailable: {NETWORK}",
    "Unsupported `Content-Type` \"text/plain\"": f"the package index answered what is no list of packages: {NETWORK}",
    "error sending request\n  dns error: no such name": f"the package index cannot be reached: {NETWORK}",
    "client error (Connect): Connection refused": f"the package index cannot be reached: {NETWORK}",
    "No solution found: kafka-connect and dnspython need different versions": "",
    "": "",
}  # fmt: skip


@pytest.mark.parametrize("output", MESSAGES)
def test_host_and_builds_blame_the_index_alike(output: str) -> None:
    trouble = explain_index(output, NetworkSettings())
    assert (str(trouble) if trouble else "") == MESSAGES[output]
    done = subprocess.run(["bash", "-Eeuo", "pipefail", "-c", SHELL, "sh", output], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == (MESSAGES[output], "", 0)


def test_the_host_names_the_index_without_its_user() -> None:
    output = "error sending request for url (http://me:word@host/simple/x/): operation timed out"
    trouble = explain_index(output, NetworkSettings(index_timeout=7))
    assert str(trouble).startswith("http://host/simple/x/ did not answer within 7 s: ")
