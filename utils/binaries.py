"""The older name of ``trainyard.models.binaries``: the same module."""

import sys

from trainyard.models import binaries

sys.modules[__name__] = binaries
