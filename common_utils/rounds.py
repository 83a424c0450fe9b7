"""The older name of ``trainyard.models.rounds``: the same module."""

import sys

from trainyard.models import rounds

sys.modules[__name__] = rounds
