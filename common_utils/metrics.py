"""The older name of ``trainyard.models.metrics``: the same module."""

import sys

from trainyard.models import metrics

sys.modules[__name__] = metrics
