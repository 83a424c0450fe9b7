"""The older name of ``trainyard.models.frames``: the same module."""

import sys

from trainyard.models import frames

sys.modules[__name__] = frames
