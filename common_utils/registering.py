"""The older name of ``trainyard.models.registering``: the same module."""

import sys

from trainyard.models import registering

sys.modules[__name__] = registering
