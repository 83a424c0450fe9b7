"""The older name of ``trainyard.contract.datasets.table_files``: the same module."""

import sys

from trainyard.contract.datasets import table_files

sys.modules[__name__] = table_files
