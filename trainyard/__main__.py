"""``python -m trainyard``."""

import atexit
import contextlib
import os
import sys
import threading

from trainyard.errors import EXIT_INTERRUPTED


def leave() -> None:
    """End with success as Python does (threads, exit handlers, buffers), but without taking its interpreter apart: that
    takes longer than to see that nothing is to be built. Returns where a buffer cannot be written: then Python says so.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


try:
    from trainyard.cli import main

    main()
    leave()
except KeyboardInterrupt:  # before there was anything to clean up
    sys.exit(EXIT_INTERRUPTED)
