"""The older name of ``trainyard.models.training``: the same module."""

import sys

from trainyard.models import training

sys.modules[__name__] = training
