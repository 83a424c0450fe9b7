"""The older name of ``trainyard.models.tables``: the same module."""

import sys

from trainyard.models import tables

sys.modules[__name__] = tables
