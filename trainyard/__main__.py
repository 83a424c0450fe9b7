"""``python -m trainyard``."""

import atexit
import contextlib
import os
import sys
import threading

from trainyard.errors import EXIT_INTERRUPTED


def leave() -> None:
    """End with success as Python does (exit handlers, buffers), but without taking its interpreter apart: that takes
    longer than to see that nothing is to be built. Returns, for Python to end, where that would not do: other threads
    are about, an open database would keep its log, a buffer cannot be written."""
    if threading.active_count() > 1 or "sqlite3" in sys.modules:
        return
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


try:
    from trainyard.host.cli import main

    main()
    leave()
except KeyboardInterrupt:  # before there was anything to clean up
    sys.exit(EXIT_INTERRUPTED)
