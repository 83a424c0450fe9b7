"""The older name of ``trainyard.models.scoring``: the same module."""

import sys

from trainyard.models import scoring

sys.modules[__name__] = scoring
