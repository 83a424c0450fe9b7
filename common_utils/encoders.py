"""The older name of ``trainyard.models.encoders``: the same module."""

import sys

from trainyard.models import encoders

sys.modules[__name__] = encoders
