"""The older name of ``trainyard.models.arrow_files``: the same module."""

import sys

from trainyard.models import arrow_files

sys.modules[__name__] = arrow_files
