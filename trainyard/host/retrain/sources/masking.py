"""Secrets are replaced by ``***`` in all that is reported, however they are written, and wherever output is cut."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import quote, quote_plus, unquote

from trainyard.host.secrets.credentials import SHORTEST
from trainyard.host.support.reporter import Counted, Reporter

MASK = "***"


def forms_of(secret: str) -> set[str]:
    """How a secret may be written: as it is, encoded for URLs or JSON, and in base64 beside any user."""
    found = {secret}
    if len(secret) >= SHORTEST:  # the forms of shorter ones are found everywhere
        found |= {unquote(secret), quote(secret), quote(secret, safe=""), quote_plus(secret)}
        found |= {form.replace("%", "%25") for form in found} | {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        found |= {re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in found}
        found |= set(_in_base64(secret))
    return {form for form in found if form}


def _in_base64(secret: str) -> Iterator[str]:
    """What base64 makes of a secret, whatever stands before and after it: it depends on where in three bytes it
    begins."""
    content = secret.encode()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(bytes(before) + content).decode()
            # Characters that hold bits of the neighbours' are left out.
            first = (before * 8 + 5) // 6
            last = (before + len(content)) * 8 // 6
            if last - first >= SHORTEST:
                yield text[first:last]


class Mask:
    """Replaces secrets in texts and bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in forms_of(secret)}
        self._forms = sorted(forms, key=len, reverse=True)  # a longer one may have a shorter one in it
        self._text = re.compile("|".join(map(re.escape, self._forms))) if forms else None
        self._content = [form.encode() for form in self._forms]
        self._bytes = re.compile(b"|".join(map(re.escape, self._content))) if forms else None

    def text(self, text: str) -> str:
        """``text`` without the secrets."""
        return self._text.sub(MASK, text) if self._text else text

    def content(self, content: bytes) -> bytes:
        """``content`` without the secrets."""
        return self._bytes.sub(MASK.encode(), content) if self._bytes else content

    def whole(self, content: bytes) -> int:
        """How many bytes can be masked now: what follows them may be the beginning of a secret."""
        longest = len(self._content[0]) if self._content else 0
        found = [match.span() for match in self._bytes.finditer(content)] if self._bytes else []
        for start in range(max(0, len(content) - longest), len(content)):
            rest = content[start:]
            # What lies in one that was found goes with it.
            if any(form.startswith(rest) and form != rest for form in self._content) and not any(
                begin < start < end for begin, end in found
            ):
                return start
        return len(content)


class Masked:
    """A reporter that passes on what it is told, without the secrets.

    Output comes in pieces, and a secret may lie across two: the end of a piece is held back while it may be the
    beginning of one. ``flush`` passes on what is held back when nothing more comes; leaving ``with`` does, too.
    """

    def __init__(self, reporter: Reporter, secrets: Iterable[str]) -> None:
        self._reporter = reporter
        self._mask = Mask(secrets)
        self._held = {False: b"", True: b""}
        self._lock = threading.Lock()

    def __enter__(self) -> Masked:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def step(self, text: str) -> None:
        self._reporter.step(self._mask.text(text))

    def warn(self, text: str) -> None:
        self._reporter.warn(self._mask.text(text))

    def line(self, text: str = "") -> None:
        self._reporter.line(self._mask.text(text))

    def would(self, text: str) -> None:
        self._reporter.would(self._mask.text(text))

    def output(self, content: bytes, is_error: bool) -> None:
        with self._lock:
            known = self._held[is_error] + content
            length = self._mask.whole(known)
            self._held[is_error] = known[length:]
            if length:
                self._reporter.output(self._mask.content(known[:length]), is_error)

    def flush(self) -> None:
        """Pass on what is held back. It may be the beginning of a secret, but is none."""
        with self._lock:
            for is_error, held in self._held.items():
                if held:
                    self._reporter.output(self._mask.content(held), is_error)
                self._held[is_error] = b""

    def waiting(self, text: str) -> AbstractContextManager[None]:
        return self._reporter.waiting(self._mask.text(text))

    @contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        with self._reporter.progress() as show:
            yield lambda text: show(self._mask.text(text))

    def status(self, text: str) -> bool:
        return self._reporter.status(self._mask.text(text))

    def confirm(self, question: str, unanswered: bool) -> bool:
        return self._reporter.confirm(self._mask.text(question), unanswered)

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Counted | None]:
        with self._reporter.counting(self._mask.text(what), total) as count:
            yield (lambda number, remark: count(number, self._mask.text(remark))) if count else None
