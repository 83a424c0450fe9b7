"""The older name of ``trainyard.models.importance``: the same module."""

import sys

from trainyard.models import importance

sys.modules[__name__] = importance
