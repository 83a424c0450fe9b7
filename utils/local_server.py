"""The older name of ``trainyard.models.local_server``: the same module."""

import sys

from trainyard.models import local_server

sys.modules[__name__] = local_server
