"""What uv says of a package index that fails, in words that name the setting to turn.

``builders/common/index_errors.sh`` does the same in a build: ``make format`` writes it from this table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trainyard.errors import TrainyardError
from trainyard.settings.host import NetworkSettings

# The status among uv's words, in the second group; and what is printed where there is none.
ANSWER = r"status (server|client) error \(([^)]*)\)"
NO_LIST = "what is no list of packages"
NETWORK = "check the network, INDEX_URL and HTTPS_PROXY"


@dataclass(frozen=True)
class Trouble:
    """``pattern`` is an expression that Python and ``grep -E`` read alike. ``problem`` may name ``{index}``, how many
    ``{seconds}`` it may be silent, and what it ``{answer}``-ed."""

    pattern: str
    problem: str
    fix: str


# In the order in which they are looked for.
TROUBLES = (
    Trouble(
        "[Cc]ertificate|UnknownIssuer",
        "the certificate of {index} is not trusted",
        "set CA_BUNDLE to your company's CA file",
    ),
    Trouble(
        "40[13] (Unauthorized|Forbidden)",
        "{index} refuses the user and the password",
        "check INDEX_URL and EXTRA_INDEX_URL",
    ),
    Trouble("timed out", "{index} did not answer within {seconds} s", f"{NETWORK}, or set INDEX_TIMEOUT higher"),
    Trouble(f"{ANSWER}|unexpected (JSON|HTML)|Content-Type", "{index} answered {answer}", NETWORK),
    Trouble("error sending request|dns error|Connect|to connect", "{index} cannot be reached", NETWORK),
)


def explain_index(output: str, settings: NetworkSettings) -> TrainyardError | None:
    """What is wrong with the index, and the fix; None where the requirements are to blame."""
    text = re.sub(r"(?<=://)[^/\s@]*@", "", output)  # uv hides passwords; users may be tokens
    if settings.wheelhouse:
        missing = re.search(r"[Bb]ecause (?:there (?:is|are) no versions? of (\S+)|(\S+) was not found)", text)
        if not missing:
            return None
        what = (missing[1] or missing[2]).partition("{")[0]
        return TrainyardError(f"WHEELHOUSE={settings.wheelhouse} lacks {what}", "fill it again: make wheelhouse")
    trouble = next((one for one in TROUBLES if re.search(one.pattern, text)), None)
    if trouble is None:
        return None
    index = next(iter(re.findall(r"https?://[^\s`)]+", text)), "the package index")
    answer = found[2] if (found := re.search(ANSWER, text)) else NO_LIST
    facts = {"index": index, "seconds": settings.index_timeout, "answer": answer}
    return TrainyardError(trouble.problem.format(**facts), trouble.fix)
