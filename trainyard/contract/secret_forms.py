"""The forms that credentials of well-known services have. ``python secret_forms.py``: looks through the files whose
names it reads, each with a NUL behind it, and prints what the first finding is.

The forms are those that the services document; gitleaks' rules (https://github.com/gitleaks/gitleaks,
config/gitleaks.toml) were the guide to which of them look like nothing else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ALLOW = b"trainyard: allow-secret"  # on a line that looks like a secret and is none
LARGEST = 64 << 20  # bytes; what is larger is no text that somebody wrote
LARGEST_BINARY = 256 << 10  # nor is what has a NUL and is larger than this: weights, archives
START = 8192  # bytes in which text would have none


@dataclass(frozen=True)
class Kind:
    """A form that credentials of one service have. Without one of ``words`` in it, content cannot match: looking for
    them costs a hundredth of matching."""

    name: str
    pattern: bytes
    words: tuple[bytes, ...]


def _kind(name: str, pattern: bytes, *words: bytes) -> Kind:
    return Kind(name, pattern, words)


KINDS = (
    # Followed by the end of its line, also in a string: code that handles keys names the header alone.
    _kind("a private key", rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr])", b"PRIVATE KEY"),
    _kind("an AWS access key", rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b(?<!EXAMPLE)", b"AKIA", b"ASIA"),
    _kind("a GitHub token", rb"\bgh[pousr]_[0-9A-Za-z]{36}\b", *(b"gh%c_" % letter for letter in b"pousr")),
    _kind("a GitHub token", rb"\bgithub_pat_\w{82}\b", b"github_pat_"),
    _kind("a GitLab token", rb"\bgl(?:pat|dt|rt)-[\w-]{20}", b"glpat-", b"gldt-", b"glrt-"),
    _kind("a Slack token", rb"\bxox[abeprs]-(?:\d-)?[0-9A-Za-z-]{20,}", b"xox"),
    _kind("a Slack webhook", rb"hooks\.slack\.com/(?:services|workflows|triggers)/[\w+/]{40,}", b"hooks.slack.com"),
    _kind("a Google API key", rb"\bAIza[\w-]{35}(?![\w-])", b"AIza"),
    _kind("a Stripe key", rb"\b[sr]k_(?:live|test|prod)_[0-9A-Za-z]{16,}", b"k_live_", b"k_test_", b"k_prod_"),
    _kind("a PyPI token", rb"\bpypi-AgE[\w-]{50,}", b"pypi-AgE"),
    _kind("a Hugging Face token", rb"\b(?:hf_|api_org_)[A-Za-z]{34}\b", b"hf_", b"api_org_"),
    _kind(
        "a password in the URL of a package",
        rb"(?: @ |\bgit\+|--(?:extra-)?index-url[ =]|--find-links[ =])https?://[^\s/:@'\"<>{}$]+:[^\s@'\"<>{}$]+@",
        b" @ http", b"git+http", b"index-url", b"find-links",
    ),
    _kind("an npm token", rb"\bnpm_[0-9A-Za-z]{36}\b", b"npm_"),
)  # fmt: skip


def find_forms(content: bytes) -> Iterator[tuple[str, int]]:
    """The first of each kind: its name, and where in the content it begins."""
    for kind in KINDS:
        if any(word in content for word in kind.words):
            matches = (match.start() for match in re.finditer(kind.pattern, content))
            if (first := next((start for start in matches if not _allowed(content, start)), None)) is not None:
                yield kind.name, first


def find_in_files(paths: Iterable[Path]) -> Iterator[str]:
    """``path:line: kind``, without what was found."""
    for path in paths:
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
            content = path.read_bytes()
            if not was_written(len(content), content[:START]):
                continue
            for name, offset in find_forms(content):
                yield f"{path}:{line_of(content, offset)}: {name}"


def was_written(size: int, start: bytes) -> bool:
    """Whether somebody may have written a file of ``size`` bytes that begins with ``start``."""
    return size <= LARGEST_BINARY or b"\0" not in start


def line_of(content: bytes, offset: int) -> int:
    """The number of the line that has the byte at ``offset``."""
    return content.count(b"\n", 0, offset) + 1


def _allowed(content: bytes, offset: int) -> bool:
    start, end = content.rfind(b"\n", 0, offset) + 1, content.find(b"\n", offset)
    return ALLOW in content[start : end if end >= 0 else None]


if __name__ == "__main__":
    names = sys.stdin.buffer.read().split(b"\0")
    sys.stdout.write(next(find_in_files(Path(name.decode(errors="surrogateescape")) for name in names if name), ""))
