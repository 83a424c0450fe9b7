"""What uv says of a package index that fails, in words that name the setting to turn.

``explain_install_failure`` in builders/common/index_errors.sh does the same where there is only a shell.
"""

from __future__ import annotations

import re

from trainyard.errors import TrainyardError
from trainyard.settings.host import HostSettings

CHECK = "check the network, INDEX_URL and HTTPS_PROXY"


def explain_index(output: str, settings: HostSettings) -> TrainyardError | None:
    """What is wrong with the index, and the fix; None where the requirements are to blame."""
    text = re.sub(r"(?<=://)[^/\s@]*@", "", output)  # uv hides passwords; users may be tokens
    url = next(iter(re.findall(r"https?://[^\s`)]+", text)), "the package index")
    if settings.wheelhouse:
        missing = re.search(r"[Bb]ecause (?:there (?:is|are) no versions? of (\S+)|(\S+) was not found)", text)
        if not missing:
            return None
        what = (missing[1] or missing[2]).partition("{")[0]
        return TrainyardError(f"WHEELHOUSE={settings.wheelhouse} lacks {what}", "fill it again: make wheelhouse")
    if "timed out" in text:
        return TrainyardError(
            f"{url} did not answer within {settings.index_timeout} s", f"{CHECK}, or set INDEX_TIMEOUT higher"
        )
    if re.search("certificate|UnknownIssuer", text, re.IGNORECASE):
        return TrainyardError(f"the certificate of {url} is not trusted", "set CA_BUNDLE to your company's CA file")
    if status := re.search(r"status (?:server|client) error \((\d+ [^)]*)\)", text):
        return TrainyardError(f"{url} answered {status[1]}", CHECK)
    if refused := re.search(r"\((40[13] [A-Za-z ]+)\)", text):
        return TrainyardError(f"{url} answered {refused[1]}", "check the user and the password in INDEX_URL")
    if re.search("unexpected (JSON|HTML)|Content-Type", text):
        return TrainyardError(f"{url} answered what is no list of packages", CHECK)
    if "error sending request" in text or "Connect" in text:
        return TrainyardError(f"{url} cannot be reached", CHECK)
    return None
