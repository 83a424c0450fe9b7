"""The older name of ``trainyard.models.table_files``: the same module."""

import sys

from trainyard.models import table_files

sys.modules[__name__] = table_files
