"""The older name of ``trainyard.models.preparing``: the same module."""

import sys

from trainyard.models import preparing

sys.modules[__name__] = preparing
