"""The modules beside this file are for every test below it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# Started in the background, the tests inherit a SIGINT that is ignored, and so would all that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
