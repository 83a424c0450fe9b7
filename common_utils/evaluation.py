"""The older name of ``trainyard.models.evaluation``: the same module."""

import sys

from trainyard.models import evaluation

sys.modules[__name__] = evaluation
