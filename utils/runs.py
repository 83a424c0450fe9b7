"""The older name of ``trainyard.models.runs``: the same module."""

import sys

from trainyard.models import runs

sys.modules[__name__] = runs
