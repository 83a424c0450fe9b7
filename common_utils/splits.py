"""The older name of ``trainyard.models.splits``: the same module."""

import sys

from trainyard.models import splits

sys.modules[__name__] = splits
