"""``python -m trainyard.image.serve [environment file]``: serve the routes of ``.s2i/environment``."""

from __future__ import annotations

import os
import sys

from trainyard.errors import EXIT_INTERRUPTED


def main(arguments: list[str]) -> int:
    """Serve until a signal says stop; bad input is one line on stderr and exit status 2."""
    try:
        from trainyard.image.serve.start import serve  # here, because Ctrl-C may come while it is imported

        return serve(arguments)
    except KeyboardInterrupt:  # once the server runs, it stops by itself
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    # A folder of the sources must not stand in for what the server imports; they come first again once it runs.
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != os.path.realpath(".")]
    sys.exit(main(sys.argv[1:]))
