"""The older name of ``trainyard.models.compiling``: the same module."""

import sys

from trainyard.models import compiling

sys.modules[__name__] = compiling
