"""An image pushed to the registry of a compute, which may be away for some seconds."""

from __future__ import annotations

import re
import time

from trainyard.errors import TrainyardError
from trainyard.host.engines.engine import ExportedImage
from trainyard.host.support.reporter import Reporter

_POLL = 2.0  # seconds between two tries
_AWAY = re.compile(
    r"connection refused|connection reset|broken pipe|\bEOF\b|i/o timeout|TLS handshake timeout|\b50[234] ",
    re.IGNORECASE,
)


def pushed(image: ExportedImage, registry: str, patience: int, reporter: Reporter) -> str:
    """How the image is called there, by digest. ``patience``: seconds for which the registry may be away.

    Raises:
        TrainyardError: it refuses, or has been away for longer.
    """
    until, is_told = time.monotonic() + patience, False
    while True:
        try:
            return image.push(registry)
        except TrainyardError as error:
            if not _AWAY.search(error.message) or time.monotonic() > until:
                raise
            if not is_told:
                reporter.step(f"{registry} does not answer: pushing is tried again for {patience} s (COMPUTE_TIMEOUT)")
                is_told = True
        time.sleep(_POLL)
