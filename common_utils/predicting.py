"""The older name of ``trainyard.models.predicting``: the same module."""

import sys

from trainyard.models import predicting

sys.modules[__name__] = predicting
