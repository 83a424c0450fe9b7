"""One hash over several values."""

from __future__ import annotations

import hashlib


def digest_of(*parts: str | bytes) -> str:
    """The sha256 over ``parts``, as 64 hex digits; where one ends and the next begins counts."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8))
        digest.update(content)
    return digest.hexdigest()
