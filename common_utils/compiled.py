"""The older name of ``trainyard.models.compiled``: the same module."""

import sys

from trainyard.models import compiled

sys.modules[__name__] = compiled
