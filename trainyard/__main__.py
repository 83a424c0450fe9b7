"""``python -m trainyard``, which make calls, and the program ``trainyard``."""

import gc
import sys

from trainyard.errors import EXIT_INTERRUPTED


def run(entry: str) -> None:
    """Call that function of the command line. It is imported here, where Ctrl-C is an exit code already."""
    try:
        # Nothing that is imported is freed before the end. A collector that looks for it, now and once more when the
        # interpreter ends, takes a tenth of a verb that has nothing to do.
        gc.disable()
        from trainyard.host import cli

        gc.freeze()
        gc.enable()
        getattr(cli, entry)()
    except KeyboardInterrupt:  # before there was anything to clean up
        sys.exit(EXIT_INTERRUPTED)


def program() -> None:
    """A verb, by the version that its monorepo names."""
    run("program")


if __name__ == "__main__":
    run("main")
