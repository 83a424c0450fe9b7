"""What every process of this machine shows of itself, for tests that look for a secret in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def watched(found: set[str], *secrets: str, kinds: tuple[str, ...] = ("cmdline",)) -> Iterator[None]:
    """Look while the block runs, as often as can be: texts that have a secret are added to ``found``. ``kinds``: files
    below /proc/<process>/."""
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for path in [path for kind in kinds for path in Path("/proc").glob(f"[0-9]*/{kind}")]:
                try:
                    text = path.read_bytes().decode(errors="replace").replace("\0", " ")
                except OSError:
                    continue
                found.update(f"{path}: {text}" for secret in secrets if secret in text)
            time.sleep(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
