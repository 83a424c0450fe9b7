"""``python -m trainyard``."""

import sys

from trainyard.errors import EXIT_INTERRUPTED

try:
    from trainyard.cli import main

    main()
except KeyboardInterrupt:  # before there was anything to clean up
    sys.exit(EXIT_INTERRUPTED)
