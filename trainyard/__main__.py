"""``python -m trainyard``."""

import gc
import sys

from trainyard.errors import EXIT_INTERRUPTED

try:
    # Nothing that is imported is freed before the end. A collector that looks for it, now and once more when the
    # interpreter ends, takes a tenth of a verb that has nothing to do.
    gc.disable()
    from trainyard.host.cli import main

    gc.freeze()
    gc.enable()
    main()
except KeyboardInterrupt:  # before there was anything to clean up
    sys.exit(EXIT_INTERRUPTED)
